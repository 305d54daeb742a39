/// A piece of a page: text is escaped on the way in, so that no name can become markup.
///
/// What comes out is well-formed as XML too: every element is closed, every attribute in quotes.
struct Markup: Sendable {
    /// As it stands in the page.
    let html: String

    private init(html: String) { self.html = html }

    /// Text, escaped.
    init(_ text: String) { html = Self.escaped(text) }

    /// Pieces one after the other.
    init(_ pieces: [Markup]) { html = pieces.map(\.html).joined() }

    /// Words of ours that are markup already.
    static func verbatim(_ html: StaticString) -> Markup { Markup(html: html.description) }

    /// An element with children.
    static func element(
        _ name: StaticString, _ attributes: KeyValuePairs<StaticString, String>, _ children: [Markup]
    ) -> Markup {
        var html = "<\(name)"
        for (key, value) in attributes { html += " \(key)=\"\(escaped(value))\"" }
        if children.isEmpty, isVoid(name) { return Markup(html: html + "/>") }
        html += ">"
        for child in children { html += child.html }
        return Markup(html: html + "</\(name)>")
    }

    /// An element with text.
    static func element(
        _ name: StaticString, _ attributes: KeyValuePairs<StaticString, String>, _ text: String
    ) -> Markup { element(name, attributes, [Markup(text)]) }

    /// An element without attributes.
    static func element(_ name: StaticString, _ children: [Markup]) -> Markup { element(name, [:], children) }

    /// An element with text and without attributes.
    static func element(_ name: StaticString, _ text: String) -> Markup { element(name, [:], [Markup(text)]) }

    /// Elements that have no end tag in HTML, and shapes without content.
    private static func isVoid(_ name: StaticString) -> Bool {
        ["meta", "br", "rect", "use", "line", "col"].contains(name.description)
    }

    /// `&`, `<`, `>` and quotes as entities; what XML has no place for as U+FFFD.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t", "\r": result += " "
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.value & 0xFFFE == 0xFFFE:
                result += "\u{FFFD}"
            // Marks that turn the direction of what follows.
            case _ where (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
