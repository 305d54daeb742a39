import Coordinator
import Foundation
import HTTPProbe
import HTTPTypes
import Testing

@testable import Server

/// The document at `/openapi.json` and the page at `/docs`: that they tell what the server does.
@Suite(.timeLimit(.minutes(10))) struct APIDocumentTests {
    private static let document = APIDocument(limits: .init())

    private static func object() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: document.json.encoded) as? [String: Any])
    }

    @Test func everyRouteIsDescribedAndAnswers() async throws {
        let paths = try #require(try Self.object()["paths"] as? [String: [String: Any]])
        #expect(Set(paths.keys) == Set(Route.allCases.map(\.rawValue)))
        try await serving(FakeService()) { port in
            for (route, operations) in Self.document.routes {
                let path = route.rawValue.replacing("{id}", with: "demo").replacing("{file}", with: "main.js")
                    .replacing("{index}", with: "0")
                // What a path stands for is the route that the document names.
                #expect(Endpoint(path: path)?.route == route)
                #expect(!operations.isEmpty, "\(route) has no operation")
                let methods = Set(operations.map(\.method.rawValue))
                for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                    let answer = try await HTTPProbe.exchange(port: port, method, path)
                    #expect((answer.status == 405) != methods.contains(method), "\(method) \(path): \(answer.status)")
                    guard let operation = operations.first(where: { $0.method.rawValue == method }) else { continue }
                    let statuses =
                        operation.answers.map(\.status)
                        + APIDocument.failures(of: operation, route).map(\.status)
                    #expect(statuses.contains(answer.status), "\(method) \(path): \(answer.status)")
                }
            }
        }
    }

    /// The fields that the document lists are those that requests may have.
    @Test func fieldsAreThoseThatAreRead() throws {
        func names(_ schema: String) throws -> Set<String> {
            let value = try #require(Self.document.schemas.first { $0.name == schema }?.schema)
            guard case .object(let object) = value, case .object(let fields)? = object["properties"] else { return [] }
            return Set(fields.keys)
        }
        // A style is known only to say why it is refused.
        #expect(try names("GenerationRequest") == Set(PictureFields.generationNames).subtracting(["style"]))
        #expect(try names("EditRequest") == Set(PictureFields.editNames + ["image", "mask"]))
        #expect(try names("VariationRequest") == Set(PictureFields.variationNames + ["image"]))
        #expect(try names("JobRequest") == Set(PictureFields.jobNames).subtracting(["style"]))
    }

    @Test func referencesAreThere() throws {
        let text = String(decoding: Self.document.json.encoded, as: UTF8.self)
        let names = Set(Self.document.schemas.map(\.name))
        for match in text.matches(of: /#\/components\/schemas\/([A-Za-z]+)/) {
            #expect(names.contains(String(match.1)), "\(match.1)")
        }
        let ids = Self.document.routes.flatMap { $0.operations.map(\.id) }
        #expect(Set(ids).count == ids.count)
    }

    /// Links lead to operations, and give them parameters that they have.
    @Test func linksLeadSomewhere() throws {
        let operations = Self.document.routes.flatMap(\.operations)
        let links = operations.flatMap { $0.answers.flatMap(\.links) }
        #expect(links.count > 10)
        for link in links {
            let target = try #require(operations.first { $0.id == link.operation }, "\(link.operation)")
            #expect(Set(link.parameters.keys) == Set(target.parameters.filter { $0.place == .path }.map(\.name)))
        }
        let paths = try #require(try Self.object()["paths"] as? [String: [String: [String: Any]]])
        let responses = try #require(paths["/v1/jobs"]?["post"]?["responses"] as? [String: [String: Any]])
        let read = try #require((responses["202"]?["links"] as? [String: [String: Any]])?["readJob"])
        #expect(read["operationId"] as? String == "readJob")
        #expect(read["parameters"] as? [String: String] == ["id": "$response.body#/id"])
    }

    /// Whoever waits for a job asks again and again; what changes something has its line.
    @Test func pollsHaveNoLineInTheLog() {
        let quiet = Route.allCases.flatMap { route in
            ["GET", "POST", "DELETE"].compactMap(HTTPRequest.Method.init(rawValue:)).filter(route.isPolled)
                .map { "\($0) \(route.rawValue)" }
        }
        #expect(quiet.contains("GET /v1/jobs/{id}") && quiet.contains("GET /readyz"))
        #expect(!quiet.contains("DELETE /v1/jobs/{id}") && !quiet.contains("POST /v1/jobs"))
        let loud = quiet.filter { $0.hasSuffix("/v1/images/generations") || $0.contains("results") }
        #expect(loud.isEmpty)
    }

    /// Codes in the sources stand in the document.
    @Test func everyCodeIsDocumented() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/Server")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var codes: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /code: "([a-z_]+)"/) { codes.insert(String(match.1)) }
        }
        // Answers to paths and methods that there are none of belong to no operation.
        codes.subtract(["not_found", "method_not_allowed"])
        #expect(codes.count > 10)
        let documented = Set(
            Self.document.routes.flatMap { route, operations in
                operations.flatMap { APIDocument.failures(of: $0, route).flatMap(\.codes) }
            })
        #expect(codes.isSubset(of: documented), "\(codes.subtracting(documented).sorted())")
    }

    /// Operators find every code of the document in docs/operate.md.
    @Test func everyCodeIsExplained() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/operate.md"), encoding: .utf8)
        let table = try #require(page.range(of: "## Troubleshooting by error code").map { page[$0.upperBound...] })
        for (route, operations) in Self.document.routes {
            for code in operations.flatMap({ APIDocument.failures(of: $0, route).flatMap(\.codes) }) {
                #expect(table.contains("`\(code)`"), "\(code)")
            }
        }
    }

    @Test func theDocumentAndThePageAreServed() async throws {
        try await serving(FakeService()) { port in
            let document = try await HTTPProbe.exchange(port: port, "GET", "/openapi.json")
            #expect(document.status == 200 && document.json["openapi"] as? String == "3.1.0")
            let page = try await HTTPProbe.exchange(port: port, "GET", "/docs")
            #expect(page.headers["content-type"] == "text/html; charset=utf-8")
            #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
            #expect(!page.text.contains("http://") && !page.text.contains("https://") && !page.text.contains("<script"))
            for route in Route.allCases {
                #expect(page.text.contains("\(route.rawValue)</code>"), "\(route) is not on the page")
            }
        }
    }
}
