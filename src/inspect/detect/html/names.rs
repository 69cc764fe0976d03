//! Names of HTML, SVG, CSS and the DOM that have to do with script. All in lower case.

/// What an element is to somebody who has to let markup pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Its content is script.
    Script,
    /// Its content is a style sheet.
    Style,
    /// It loads, frames, redirects or animates, or is unknown to today's browsers and was good for script in older ones: an attack as soon as
    /// it has an attribute.
    Active,
    /// Its content is text up to its end tag: an end tag leaves it.
    RawText,
    /// Nothing in particular; its attributes count.
    Plain,
}

/// What an element of this name is; a prefix as in `svg:script` does not count.
pub(super) fn element(name: &[u8]) -> Element {
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    match name {
        b"script" => Element::Script,
        b"style" => Element::Style,
        // WHATWG HTML 4.8 and 16 (obsolete features), SVG 2, HTML+TIME.
        b"animate" | b"animatemotion" | b"animatetransform" | b"animation" | b"applet" | b"base" | b"bgsound"
        | b"embed" | b"event-source" | b"feimage" | b"foreignobject" | b"frame" | b"frameset" | b"handler"
        | b"iframe" | b"ilayer" | b"import" | b"isindex" | b"keygen" | b"layer" | b"link" | b"listener"
        | b"marquee" | b"math" | b"meta" | b"object" | b"plaintext" | b"portal" | b"set" | b"svg" | b"template"
        | b"vmlframe" | b"xml" | b"xss" => Element::Active,
        // WHATWG HTML 13.1.2.
        b"listing" | b"noembed" | b"noframes" | b"noscript" | b"textarea" | b"title" | b"xmp" => Element::RawText,
        _ => Element::Plain,
    }
}

/// Whether an attribute of this name makes script, whatever its value.
pub(super) fn is_active_attribute(name: &[u8]) -> bool {
    matches!(
        name,
        b"allowscriptaccess"
            | b"attributename"
            | b"contentscripttype"
            | b"dataformatas"
            | b"datasrc"
            | b"fscommand"
            | b"seeksegmenttime"
            | b"srcdoc"
    )
}

/// Whether an attribute is an expression for a framework that pages use: AngularJS, Vue, Alpine, htmx.
pub(super) fn is_framework(name: &[u8]) -> bool {
    let starts: [&[u8]; 10] =
        [b"ng-", b"data-ng-", b"x-ng-", b"v-on:", b"v-html", b"v-bind:", b"v-if", b"x-on:", b"x-init", b"hx-on"];
    name.first() == Some(&b'@') || starts.iter().any(|start| name.starts_with(start))
}

/// Whether this is the name of an event handler's attribute: `on` and a word. In a tag no other attribute begins so.
pub(super) fn is_handler(name: &[u8]) -> bool {
    (5..=40).contains(&name.len())
        && name.starts_with(b"on")
        && name.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b':' | b'_'))
}

/// Events by which handlers are known where no tag can be seen. Sources: WHATWG HTML 8.1.8.2, UI Events, Pointer Events, CSS Animations, SVG 2,
/// and those of older browsers. Without the `on`.
const EVENTS: &[&[u8]] = &[
    b"abort",
    b"activate",
    b"afterprint",
    b"afterscriptexecute",
    b"afterupdate",
    b"animationcancel",
    b"animationend",
    b"animationiteration",
    b"animationstart",
    b"auxclick",
    b"beforeactivate",
    b"beforecopy",
    b"beforecut",
    b"beforedeactivate",
    b"beforeeditfocus",
    b"beforeinput",
    b"beforematch",
    b"beforepaste",
    b"beforeprint",
    b"beforescriptexecute",
    b"beforetoggle",
    b"beforeunload",
    b"begin",
    b"blur",
    b"bounce",
    b"cancel",
    b"canplay",
    b"canplaythrough",
    b"change",
    b"click",
    b"close",
    b"contentvisibilityautostatechange",
    b"contextmenu",
    b"controlselect",
    b"copy",
    b"cuechange",
    b"cut",
    b"dataavailable",
    b"datasetchanged",
    b"datasetcomplete",
    b"dblclick",
    b"deactivate",
    b"drag",
    b"dragend",
    b"dragenter",
    b"dragexit",
    b"dragleave",
    b"dragover",
    b"dragstart",
    b"drop",
    b"durationchange",
    b"emptied",
    b"end",
    b"ended",
    b"error",
    b"errorupdate",
    b"filterchange",
    b"finish",
    b"focus",
    b"focusin",
    b"focusout",
    b"formdata",
    b"fullscreenchange",
    b"gotpointercapture",
    b"hashchange",
    b"help",
    b"input",
    b"invalid",
    b"keydown",
    b"keypress",
    b"keyup",
    b"layoutcomplete",
    b"load",
    b"loadeddata",
    b"loadedmetadata",
    b"loadend",
    b"loadstart",
    b"losecapture",
    b"lostpointercapture",
    b"message",
    b"mousedown",
    b"mouseenter",
    b"mouseleave",
    b"mousemove",
    b"mouseout",
    b"mouseover",
    b"mouseup",
    b"mousewheel",
    b"move",
    b"moveend",
    b"movestart",
    b"orientationchange",
    b"pagehide",
    b"pagereveal",
    b"pageshow",
    b"pageswap",
    b"paste",
    b"pause",
    b"play",
    b"playing",
    b"pointercancel",
    b"pointerdown",
    b"pointerenter",
    b"pointerleave",
    b"pointermove",
    b"pointerout",
    b"pointerover",
    b"pointerrawupdate",
    b"pointerup",
    b"popstate",
    b"progress",
    b"propertychange",
    b"ratechange",
    b"readystatechange",
    b"repeat",
    b"reset",
    b"resize",
    b"resizeend",
    b"resizestart",
    b"rowenter",
    b"rowexit",
    b"rowsdelete",
    b"rowsinserted",
    b"scroll",
    b"scrollend",
    b"scrollsnapchange",
    b"search",
    b"seeked",
    b"seeking",
    b"select",
    b"selectionchange",
    b"selectstart",
    b"show",
    b"slotchange",
    b"stalled",
    b"start",
    b"stop",
    b"storage",
    b"submit",
    b"suspend",
    b"syncrestored",
    b"timeerror",
    b"timeupdate",
    b"toggle",
    b"touchcancel",
    b"touchend",
    b"touchmove",
    b"touchstart",
    b"trackchange",
    b"transitioncancel",
    b"transitionend",
    b"transitionrun",
    b"transitionstart",
    b"unhandledrejection",
    b"unload",
    b"urlflip",
    b"volumechange",
    b"waiting",
    b"webkitanimationend",
    b"webkitanimationstart",
    b"webkittransitionend",
    b"wheel",
    b"zoom",
];

/// Whether this names a handler of a known event.
pub(super) fn is_known_handler(name: &[u8]) -> bool {
    name.strip_prefix(b"on").is_some_and(|event| EVENTS.binary_search(&event).is_ok())
}

/// Functions that show that script runs, or run a text as script.
pub(super) fn is_sink(name: &[u8]) -> bool {
    matches!(
        name,
        b"$$"
            | b"alert"
            | b"atob"
            | b"confirm"
            | b"eval"
            | b"execscript"
            | b"fetch"
            | b"function"
            | b"import"
            | b"importscripts"
            | b"msgbox"
            | b"prompt"
            | b"setimmediate"
            | b"setinterval"
            | b"settimeout"
    )
}

/// Sinks whose names are common words of code and of prose too: they count for less.
pub(super) fn is_common_sink(name: &[u8]) -> bool {
    matches!(
        name,
        b"fetch" | b"function" | b"import" | b"settimeout" | b"setinterval" | b"setimmediate" | b"$$" | b"atob"
    )
}

/// Objects through which everything else can be reached by a name in a string.
pub(super) fn is_root(name: &[u8]) -> bool {
    matches!(
        name,
        b"window" | b"self" | b"top" | b"parent" | b"frames" | b"globalthis" | b"this" | b"document" | b"content"
    )
}

/// What of the DOM an attack reads, writes or runs.
pub(super) fn is_dom_member(name: &[u8]) -> bool {
    matches!(
        name,
        b"alert"
            | b"atob"
            | b"body"
            | b"confirm"
            | b"constructor"
            | b"cookie"
            | b"createelement"
            | b"defaultview"
            | b"document"
            | b"domain"
            | b"eval"
            | b"execcommand"
            | b"execscript"
            | b"fetch"
            | b"function"
            | b"getelementbyid"
            | b"globaleval"
            | b"innerhtml"
            | b"localstorage"
            | b"location"
            | b"open"
            | b"prompt"
            | b"queryselector"
            | b"sessionstorage"
            | b"setinterval"
            | b"settimeout"
            | b"write"
            | b"writeln"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(EVENTS.is_sorted());
        assert_eq!(element(b"svg:script"), Element::Script);
        assert_eq!(
            [element(b"iframe"), element(b"title"), element(b"p")],
            [Element::Active, Element::RawText, Element::Plain]
        );
        assert!(is_sink(b"alert") && is_sink(b"settimeout") && is_sink(b"$$") && !is_sink(b"print"));
        assert!(is_dom_member(b"alert") && is_dom_member(b"writeln"));
        assert!(is_active_attribute(b"srcdoc") && is_active_attribute(b"allowscriptaccess"));
        assert!(is_known_handler(b"onerror") && is_known_handler(b"onpointerrawupdate") && !is_known_handler(b"once"));
    }
}
