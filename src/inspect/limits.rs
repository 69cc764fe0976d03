//! How much of everything a request may have.

/// Bounds on what is read of a request. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The body, once its codings are taken off.
    pub decoded: usize,
    /// How many times larger a body may become by decoding; asked only of what becomes larger than 1 MiB.
    pub ratio: usize,
    /// Codings on top of each other (`Content-Encoding: gzip, br`).
    pub codings: usize,
    /// How deep objects, arrays, elements and selections are nested.
    pub depth: usize,
    /// Keys of one object; ten times as many of all objects of a body, or elements and attributes of XML.
    pub keys: usize,
    /// Elements of one array; lines of newline-delimited JSON; messages of a gRPC stream.
    pub array: usize,
    /// One string.
    pub string: usize,
    /// Digits of a number.
    pub digits: usize,
    /// Parameters in a query, a form, a head's cookies.
    pub parameters: usize,
    /// Parts of a multipart body.
    pub parts: usize,
    /// Files of a multipart body.
    pub files: usize,
    /// Aliases in a GraphQL document, each fragment counted where it is spread.
    pub aliases: usize,
    /// GraphQL documents in one body.
    pub batch: usize,
    /// All cookies.
    pub cookies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded: 8 << 20,
            ratio: 100,
            codings: 2,
            depth: 32,
            keys: 10_000,
            array: 50_000,
            string: 1 << 20,
            digits: 64,
            parameters: 1_000,
            parts: 64,
            files: 16,
            aliases: 100,
            batch: 50,
            cookies: 16 << 10,
        }
    }
}
