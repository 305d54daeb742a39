import Hummingbird

extension ServerResponder {
    /// `GET /v1/models`.
    func models() -> Response {
        Response(json: .object(["object": "list", "data": .array([service.model.object])]))
    }

    /// `GET /v1/models/{id}`.
    func model(_ id: String) throws -> Response {
        guard id == service.model.id else {
            throw APIError(
                status: .notFound, message: "the model '\(id.prefix(60))' is not served here", param: "model",
                code: "model_not_found")
        }
        return Response(json: service.model.object)
    }
}

extension ServedModel {
    /// OpenAI's model object.
    fileprivate var object: JSONValue {
        .object([
            "id": .string(id), "object": "model", "created": .integer(created), "owned_by": "tessera",
        ])
    }
}
