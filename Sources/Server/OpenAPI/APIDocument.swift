import Coordinator
import Foundation
import HTTPTypes
import Protocol

/// What the server can do, for programs (OpenAPI 3.1) and people, made once from the routes' descriptions.
struct APIDocument: Sendable {
    /// Each route with its operations.
    let routes: [(route: Route, operations: [Operation])]
    let schemas: [(name: String, schema: JSONValue)]

    /// Describes all routes.
    init(limits: ServerSettings.Limits) {
        routes = Route.allCases.map { ($0, $0.operations(limits)) }
        schemas = Schemas.all(limits)
    }

    /// Methods that a route takes.
    func methods(of route: Route) -> [HTTPRequest.Method] {
        routes.first { $0.route == route }?.operations.map(\.method) ?? []
    }

    /// The document.
    var json: JSONValue {
        let paths = routes.map { route, operations in
            (
                route.rawValue,
                JSONValue.object(
                    Dictionary(
                        uniqueKeysWithValues: operations.map {
                            ($0.method.rawValue.lowercased(), Self.object($0, of: route))
                        }))
            )
        }
        return [
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
            "info": [
                "title": "Tessera", "version": .string(ProtocolVersion.build),
                "summary": "Pictures from token-based image models, by OpenAI's Images API.",
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "tags": .array(Operation.Tag.allCases.map { ["name": .string($0.rawValue)] }),
            "paths": .object(Dictionary(uniqueKeysWithValues: paths)),
            "components": [
                "schemas": .object(Dictionary(uniqueKeysWithValues: schemas.map { ($0.name, $0.schema) })),
                "securitySchemes": [
                    "key": [
                        "type": "http", "scheme": "bearer",
                        "description": "One of the server's API keys; not asked for where it has none.",
                    ]
                ],
            ],
        ]
    }

    private static func object(_ operation: Operation, of route: Route) -> JSONValue {
        var object: [String: JSONValue] = [
            "operationId": .string(operation.id), "summary": .string(operation.summary),
            "tags": [.string(operation.tag.rawValue)],
            "security": route.isOpen ? [] : [["key": []], [:]],
            "responses": .object(responses(operation, of: route)),
        ]
        if !operation.description.isEmpty { object["description"] = .string(operation.description) }
        if !operation.parameters.isEmpty {
            object["parameters"] = .array(
                operation.parameters.map { parameter in
                    [
                        "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
                        "required": .bool(parameter.place == .path), "description": .string(parameter.description),
                        "schema": parameter.schema,
                    ]
                })
        }
        if !operation.body.isEmpty {
            object["requestBody"] = ["required": true, "content": content(operation.body)]
        }
        return .object(object)
    }

    private static func content(_ all: [Operation.Content]) -> JSONValue {
        .object(
            Dictionary(
                uniqueKeysWithValues: all.map { content in
                    var object: [String: JSONValue] = ["schema": content.schema]
                    if !content.files.isEmpty {
                        object["encoding"] = .object(content.files.mapValues { ["contentType": .string($0)] })
                    }
                    return (content.type, .object(object))
                }))
    }

    /// Links by the operations that they lead to.
    private static func links(_ all: [Operation.Link]) -> JSONValue {
        .object(
            Dictionary(
                uniqueKeysWithValues: all.map { link in
                    (
                        link.operation,
                        [
                            "operationId": .string(link.operation),
                            "parameters": .object(link.parameters.mapValues { .string($0) }),
                            "description": .string(link.description),
                        ]
                    )
                }))
    }

    private static func responses(_ operation: Operation, of route: Route) -> [String: JSONValue] {
        var responses: [String: JSONValue] = [:]
        for answer in operation.answers {
            var object: [String: JSONValue] = [
                "description": .string(answer.description), "headers": headers(answer.headers),
            ]
            if !answer.content.isEmpty { object["content"] = content(answer.content) }
            if !answer.links.isEmpty { object["links"] = links(answer.links) }
            responses["\(answer.status)"] = .object(object)
        }
        for failure in failures(of: operation, route) {
            let codes = failure.codes.map { "`\($0)`" }.joined(separator: ", ")
            responses["\(failure.status)"] = [
                "description": .string("\(failure.description) Codes: \(codes)."),
                "headers": headers(
                    failure.headers.merging(["x-should-retry": "Whether the same request may succeed later."]) { $1 }),
                "content": ["application/json": ["schema": .reference("Error")]],
            ]
        }
        return responses
    }

    /// The operation's errors and those of every route, one a status.
    static func failures(of operation: Operation, _ route: Route) -> [Operation.Failure] {
        var all = operation.failures
        func add(_ status: Int, _ codes: [String], _ description: String, _ headers: [String: String] = [:]) {
            if let index = all.firstIndex(where: { $0.status == status }) {
                all[index].codes += codes
                all[index].description += " " + description
            } else if !operation.answers.contains(where: { $0.status == status }) {
                all.append(.init(status: status, codes: codes, description: description, headers: headers))
            }
        }
        if !route.isOpen {
            add(
                401, ["missing_api_key", "invalid_api_key"], "The server has keys, and none of them was shown.",
                ["www-authenticate": "How to show one."])
            add(503, ["keys_unusable"], "Where keys cannot be checked, nobody is admitted.")
        }
        return all.sorted { $0.status < $1.status }
    }

    private static func headers(_ more: [String: String]) -> JSONValue {
        let all = more.merging(["x-request-id": "Names the request in the server's log."]) { $1 }
        return .object(all.mapValues { ["description": .string($0), "schema": ["type": "string"]] })
    }
}
