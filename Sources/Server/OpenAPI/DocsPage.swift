import HTTPTypes

/// The API's document as one page that loads nothing and needs no script.
struct DocsPage {
    private let document: APIDocument

    /// A page about a document.
    init(_ document: APIDocument) { self.document = document }

    /// The page.
    var html: String {
        var contents = ""
        var body = ""
        for tag in Operation.Tag.allCases {
            let operations = document.routes.flatMap { route, operations in
                operations.filter { $0.tag == tag }.map { (route, $0) }
            }
            guard !operations.isEmpty else { continue }
            body += "<h2>\(tag.rawValue)</h2>\n"
            contents += "<li>\(tag.rawValue)<ul>\n"
            for (route, operation) in operations {
                let title = "<code>\(operation.method.rawValue) \(Self.escaped(route.rawValue))</code>"
                contents += "<li><a href=\"#\(operation.id)\">\(title)</a></li>\n"
                body += section(operation, of: route, title)
            }
            contents += "</ul></li>\n"
        }
        contents += "<li><a href=\"#schemas\">Schemas</a></li>\n"
        body +=
            "<h2 id=\"schemas\">Schemas</h2>\n"
            + document.schemas.map { name, schema in
                "<section id=\"schema-\(name)\"><h3><code>\(name)</code></h3>\n\(Self.object(schema))</section>\n"
            }.joined()
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>Tessera's API</title>
            <meta name="viewport" content="width=device-width, initial-scale=1"><style>\(Self.style)</style></head>
            <body><header><h1>Tessera's API</h1>
            <p>For programs this stands at <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p></header>
            <nav aria-label="Contents"><ul>
            \(contents)</ul></nav><main>
            \(body)</main></body></html>

            """
    }

    private func section(_ operation: Operation, of route: Route, _ title: String) -> String {
        var text = "<section id=\"\(operation.id)\"><h3>\(title)</h3>\n<p>\(Self.marked(operation.summary)).</p>\n"
        if !operation.description.isEmpty { text += "<p>\(Self.marked(operation.description))</p>\n" }
        text +=
            "<p class=\"key\">\(route.isOpen ? "No key is asked for." : "Asks for a key where the server has keys.")"
        text += "</p>\n"
        if !operation.parameters.isEmpty {
            text += Self.table(
                ["Parameter", "In", "Type", ""],
                operation.parameters.map {
                    ["<code>\($0.name)</code>", $0.place.rawValue, Self.type($0.schema), Self.marked($0.description)]
                })
        }
        for content in operation.body {
            text += "<h4>Body: <code>\(content.type)</code></h4>\n<p>\(Self.type(content.schema))</p>\n"
        }
        text += "<h4>Answers</h4>\n"
        var rows = operation.answers.map { answer in
            let bodies = answer.content.map { "<code>\($0.type)</code> \(Self.type($0.schema))" }
            return ["\(answer.status)", Self.marked(answer.description), bodies.joined(separator: "<br>")]
        }
        rows += APIDocument.failures(of: operation, route).map { failure in
            let codes = failure.codes.map { "<code>\($0)</code>" }.joined(separator: ", ")
            return [
                "\(failure.status)", Self.marked(failure.description), "\(Self.type(.reference("Error"))): \(codes)",
            ]
        }
        return text + Self.table(["Status", "", "Body"], rows) + "</section>\n"
    }

    /// An object's fields as a table.
    private static func object(_ schema: JSONValue) -> String {
        guard case .object(let schema) = schema else { return "" }
        var text = ""
        if case .string(let description)? = schema["description"] { text += "<p>\(marked(description))</p>\n" }
        guard case .object(let fields)? = schema["properties"] else { return text }
        var required: Set<String> = []
        if case .array(let names)? = schema["required"] {
            for case .string(let name) in names { required.insert(name) }
        }
        let rows = fields.sorted {
            (required.contains($0.key) ? 0 : 1, $0.key) < (required.contains($1.key) ? 0 : 1, $1.key)
        }
        .map { name, field in
            [
                "<code>\(escaped(name))</code>" + (required.contains(name) ? " <b>*</b>" : ""), type(field),
                field["description"].map { marked($0) } ?? "",
            ]
        }
        return text + table(["Field", "Type", ""], rows)
    }

    /// A schema in a few words.
    private static func type(_ schema: JSONValue) -> String {
        guard case .object(let object) = schema else { return "" }
        if let reference = schema["$ref"]?.split(separator: "/").last {
            return "<a href=\"#schema-\(reference)\">\(reference)</a>"
        }
        if let content = object["contentSchema"] { return "text of \(type(content))" }
        if case .array(let schemas)? = object["anyOf"] { return schemas.map(type).joined(separator: " or ") }
        if case .array(let words)? = object["enum"] {
            return words.map { "<code>\(escaped(String(decoding: $0.encoded, as: UTF8.self)))</code>" }
                .joined(separator: ", ")
        }
        var names: [String] = []
        switch object["type"] {
        case .string(let name): names = [name]
        case .array(let all): for case .string(let name) in all where name != "null" { names.append(name) }
        default: break
        }
        var text = names.joined(separator: " or ")
        if let media = schema["contentMediaType"] { text += " (\(escaped(media)))" }
        if let items = object["items"] { text = "list of \(type(items))" }
        if let fields = object["properties"], case .object(let all) = fields, !all.isEmpty {
            let fields = all.sorted { $0.key < $1.key }.map { "<code>\(escaped($0.key))</code> \(type($0.value))" }
            text += " {\(fields.joined(separator: ", "))}"
        }
        let bounds = [
            ("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("maxLength", "of at most"),
        ]
        for (key, word) in bounds {
            if let bound = object[key] { text += " \(word) \(String(decoding: bound.encoded, as: UTF8.self))" }
        }
        return text
    }

    private static func table(_ head: [String], _ rows: [[String]]) -> String {
        let columns = head.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let lines = rows.map { "<tr>\($0.map { "<td>\($0)</td>" }.joined())</tr>\n" }.joined()
        return "<div class=\"wide\"><table><thead><tr>\(columns)</tr></thead><tbody>\n\(lines)</tbody></table></div>\n"
    }

    private static func escaped(_ text: some StringProtocol) -> String {
        String(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("\"", with: "&quot;")
    }

    /// Escaped, with the words in backquotes as code.
    private static func marked(_ text: String) -> String {
        escaped(text).split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset % 2 == 0 ? String($0.element) : "<code>\($0.element)</code>" }.joined()
    }

    private static let style = """
        :root{color-scheme:light dark;--line:#8885;--soft:#8881}body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;\
        max-width:72rem;padding:0 1rem 4rem}h1{margin-bottom:0}nav ul{padding-left:1.2rem}section{border-top:1px solid \
        var(--line);padding-top:.5rem;margin-top:1.5rem}code{background:var(--soft);padding:.1em .3em;border-radius:.2em;\
        overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;\
        padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}.wide{overflow-x:auto}.key{opacity:.75}\
        section:target{background:var(--soft)}
        """
}

extension JSONValue {
    /// The text of a field of an object; nil where there is none.
    fileprivate subscript(_ name: String) -> String? {
        guard case .object(let object) = self, case .string(let text)? = object[name] else { return nil }
        return text
    }
}
