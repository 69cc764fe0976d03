//! Names of Java's classes and packages, by what one tells that stands where a datum should.

/// Packages whose classes nobody sends as data: what code, reflection, look-ups, files and gadgets are made of (CWE-470, CWE-502).
/// `java.util`, `java.time` and others that tell of a type are not among them. In lower case, sorted.
pub(super) static PACKAGES: [&str; 52] = [
    "bsh.",
    "clojure.",
    "com.mchange.v2.c3p0.",
    "com.opensymphony.",
    "com.rometools.rome.",
    "com.sun.",
    "freemarker.template.",
    "groovy.lang.",
    "groovy.util.",
    "java.beans.",
    "java.io.",
    "java.lang.",
    "java.net.",
    "java.nio.file.",
    "java.rmi.",
    "java.security.",
    "javax.el.",
    "javax.faces.",
    "javax.imageio.",
    "javax.management.",
    "javax.naming.",
    "javax.script.",
    "javax.swing.",
    "jdk.internal.",
    "jdk.jshell.",
    "jdk.nashorn.",
    "net.sf.json.",
    "ognl.",
    "org.apache.bcel.",
    "org.apache.commons.beanutils",
    "org.apache.commons.collections",
    "org.apache.commons.configuration",
    "org.apache.commons.dbcp",
    "org.apache.commons.fileupload.disk",
    "org.apache.commons.jxpath",
    "org.apache.commons.proxy",
    "org.apache.ibatis.datasource.",
    "org.apache.tomcat.dbcp.",
    "org.apache.velocity.",
    "org.apache.xalan.",
    "org.apache.xbean.",
    "org.codehaus.groovy.",
    "org.jboss.interceptor.",
    "org.jboss.weld.",
    "org.mozilla.javascript.",
    "org.omg.corba.",
    "org.springframework.aop.",
    "org.springframework.beans.",
    "org.springframework.context.support.",
    "org.springframework.expression.",
    "sun.misc.",
    "sun.reflect.",
];

/// Classes that are means of an attack, whatever their package: a name without white space that ends with one is no datum. None of them is
/// a word. In lower case, sorted.
pub(super) static GADGETS: [&str; 54] = [
    "abstractbeanfactorypointcutadvisor",
    "annotationinvocationhandler",
    "badattributevalueexpexception",
    "bcelclassloader",
    "beancomparator",
    "beanshellinterpreter",
    "chainedclosure",
    "chainedtransformer",
    "classpathxmlapplicationcontext",
    "clonetransformer",
    "closuretransformer",
    "constanttransformer",
    "convertedclosure",
    "elprocessor",
    "filesystemxmlapplicationcontext",
    "forclosure",
    "fortransformer",
    "groovyclassloader",
    "groovyshell",
    "initialcontext",
    "instantiatefactory",
    "instantiatetransformer",
    "invokerfactory",
    "invokertransformer",
    "jdbcrowsetimpl",
    "jndibindinglookup",
    "jndidatasourcefactory",
    "jndirefforwardingdatasource",
    "lazymap",
    "marshalledobject",
    "methodclosure",
    "methodinvokingfactorybean",
    "objectfactorydelegatinginvocationhandler",
    "processbuilder",
    "processimpl",
    "propertypathfactorybean",
    "prototypeclonefactory",
    "prototypefactory",
    "prototypeserializationfactory",
    "proxylazyvalue",
    "scriptenginemanager",
    "signedobject",
    "simplejndibeanfactory",
    "spelexpressionparser",
    "switchclosure",
    "templatesimpl",
    "tiedmapentry",
    "tostringbean",
    "transformerclosure",
    "unicastref",
    "unixprocess",
    "urlclassloader",
    "whileclosure",
    "wrapperconnectionpooldatasource",
];

/// Fields that tell of code: a class or package there is what they are for. Classes of [`GADGETS`] are not. Sorted.
pub(super) static TELLS_OF_CODE: [&str; 26] = [
    "artifact",
    "artifactid",
    "bundle",
    "class",
    "classname",
    "component",
    "dependency",
    "driver",
    "error",
    "errorclass",
    "errortype",
    "exception",
    "exceptionclass",
    "exceptiontype",
    "group",
    "groupid",
    "javaclass",
    "logger",
    "loggername",
    "module",
    "name",
    "namespace",
    "package",
    "packagename",
    "purl",
    "returntype",
];

/// Whether this is in a sorted table.
pub(super) fn is_in(table: &[&str], name: &[u8]) -> bool {
    table.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [&PACKAGES[..], &GADGETS, &TELLS_OF_CODE] {
            assert!(table.is_sorted(), "{table:?}");
        }
    }
}
