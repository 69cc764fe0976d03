//! Charts as SVG, readable on light and on dark ground.

use std::fmt::Write;

/// Widths and heights in pixels.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 220.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 48.0;
const ROW: f64 = 30.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.soft{fill:#59636e;font-size:11px}\
.line{stroke:#8c959f;stroke-width:1;stroke-opacity:.5}.whole{fill:#8250df}.floor{fill:#8c959f}.own{fill:#1a7f37}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}.whole{fill:#a371f7}.own{fill:#3fb950}}";

/// One bar.
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: f64,
    /// Claviger's.
    pub(crate) is_own: bool,
    /// Of a proxy that only passes requests on.
    pub(crate) is_floor: bool,
}

/// p50, p99 and p99.9 of one proxy.
pub(crate) struct Dots<'a> {
    pub(crate) name: &'a str,
    pub(crate) values: [f64; 3],
    pub(crate) is_own: bool,
    pub(crate) is_floor: bool,
}

/// Horizontal bars from zero.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut body = String::new();
    for (bar, y) in bars.iter().zip(rows()) {
        let (class, length) = (class(bar.is_own, bar.is_floor), bar.value / longest * (WIDTH - LEFT - RIGHT));
        let (end, value) = (LEFT + length + 6.0, bar.value);
        name(&mut body, bar.name, y);
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            r#"<rect class="{class}" x="{LEFT}" y="{:.1}" width="{length:.1}" height="18" rx="2"/>"#,
            y - 9.0
        );
        let _ = writeln!(body, r#"<text x="{end:.1}" y="{:.1}">{value:.1}</text>"#, y + 4.0);
    }
    page(title, bars.len(), &body)
}

/// Three dots on a line, by the logarithm, as tails lie far from the middle.
pub(crate) fn dots(title: &str, all: &[Dots]) -> String {
    let values = || all.iter().flat_map(|dots| dots.values).filter(|value| value.is_finite() && *value > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(1.0, f64::max));
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let x = |value: f64| LEFT + (value.log10() - first) / (last - first).max(1.0) * (WIDTH - LEFT - RIGHT);
    let mut body = String::new();
    let bottom = TOP + ROW * number(all.len());
    let mut decade = first;
    while decade <= last {
        let (at, value) = (x(10f64.powf(decade)), 10f64.powf(decade));
        let _ = write!(body, r#"<line class="line" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/>"#);
        let _ = writeln!(
            body,
            r#"<text class="soft" x="{at:.1}" y="{:.1}" text-anchor="middle">{value:.0}</text>"#,
            bottom + 14.0
        );
        decade += 1.0;
    }
    for (dots, y) in all.iter().zip(rows()) {
        let class = class(dots.is_own, dots.is_floor);
        name(&mut body, dots.name, y);
        let [from, middle, to] = dots.values.map(x);
        let _ = write!(body, r#"<line class="line" x1="{from:.1}" x2="{to:.1}" y1="{y}" y2="{y}"/>"#);
        for (at, radius) in [(from, 3.5), (middle, 5.0), (to, 6.5)] {
            let _ = write!(body, r#"<circle class="{class}" cx="{at:.1}" cy="{y}" r="{radius}"/>"#);
        }
        let _ = writeln!(body, r#"<text x="{:.1}" y="{:.1}">{:.0}</text>"#, to + 10.0, y + 4.0, dots.values[2]);
    }
    page(title, all.len(), &body)
}

/// The middle of each row.
fn rows() -> impl Iterator<Item = f64> {
    (0..u16::MAX).map(|row| TOP + ROW * (f64::from(row) + 0.5))
}

fn name(body: &mut String, name: &str, y: f64) {
    let _ =
        write!(body, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#, LEFT - 10.0, y + 4.0, escaped(name));
}

fn class(is_own: bool, is_floor: bool) -> &'static str {
    match (is_own, is_floor) {
        (true, _) => "own",
        (false, true) => "floor",
        (false, false) => "whole",
    }
}

fn page(title: &str, rows: usize, body: &str) -> String {
    let bottom = TOP + ROW * number(rows);
    let height = bottom + 46.0;
    let title = escaped(title);
    let mut legend = String::new();
    for (class, text, x) in [
        ("own", "claviger", LEFT),
        ("whole", "others, whole job", LEFT + 90.0),
        ("floor", "passes requests on, and no more", LEFT + 230.0),
    ] {
        let y = bottom + 34.0;
        let _ = write!(legend, r#"<rect class="{class}" x="{x}" y="{:.1}" width="10" height="10" rx="2"/>"#, y - 9.0);
        let _ = writeln!(legend, r#"<text class="soft" x="{:.1}" y="{y:.1}">{text}</text>"#, x + 15.0);
    }
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>{STYLE}</style>
<text class="title" x="12" y="26">{title}</text>
{body}{legend}</svg>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn number(rows: usize) -> f64 {
    f64::from(u16::try_from(rows).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_ends_where_the_chart_does_and_half_of_it_in_the_middle() {
        let bar = |name, value| Bar { name, value, is_own: value < 2.0, is_floor: false };
        let text = bars("a < b", &[bar("one", 1.0), bar("two", 2.0)]);
        assert!(text.contains("a &lt; b") && !text.contains("a < b"), "{text}");
        assert!(text.contains(r#"class="own" x="220" y="54.0" width="235.0""#), "{text}");
        assert!(text.contains(r#"class="whole" x="220" y="84.0" width="470.0""#), "{text}");
    }

    #[test]
    fn dots_stand_at_their_decades() {
        let text = dots("tails", &[Dots { name: "one", values: [10.0, 100.0, 1000.0], is_own: true, is_floor: false }]);
        for at in ["cx=\"220.0\"", "cx=\"455.0\"", "cx=\"690.0\""] {
            assert!(text.contains(at), "{at}: {text}");
        }
    }
}
