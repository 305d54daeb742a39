import Coordinator

extension JobView {
    /// The job as clients see it.
    var object: [String: JSONValue] {
        func time(_ seconds: Double?) -> JSONValue { seconds.map { .integer(Int($0)) } ?? .null }
        func number(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
        var object: [String: JSONValue] = [
            "id": .string(job.id), "object": "job", "kind": .string(job.kind.rawValue),
            "state": .string(job.state.rawValue), "model": .string(job.model), "created_at": time(job.created),
            "started_at": time(job.started), "finished_at": time(job.finished), "queue_position": number(position),
            "step": number(step), "steps": number(steps), "seconds_left": secondsLeft.map { .number($0) } ?? .null,
            "settings": .object(settings), "results": .array([]), "usage": .null, "size": .null, "error": .null,
        ]
        if let failure = job.failure, case .object(let envelope) = APIError(failure).object {
            object["error"] = envelope["error"]
        }
        guard let outcome = job.outcome else { return object }
        object["results"] = .array(
            outcome.pictures.enumerated().map { index, picture in
                .object([
                    "index": .integer(index), "path": .string("/v1/jobs/\(job.id)/results/\(index)"),
                    "content_type": .string((job.order.format ?? .png).kind.mediaType),
                    "bytes": .integer(picture.byteCount),
                ])
            })
        object["size"] = .string("\(outcome.width)x\(outcome.height)")
        object["usage"] = outcome.usage
        if !outcome.warnings.isEmpty { object["warnings"] = .array(outcome.warnings.map { .string($0) }) }
        return object
    }

    /// What was ordered, by the names of the API; what the order left open is not there.
    private var settings: [String: JSONValue] {
        let order = job.order
        var settings: [String: JSONValue] = [
            "prompt": .string(order.prompts.first ?? ""), "n": .integer(order.picturesPerPrompt),
            "seed": .unsigned(order.seed),
        ]
        if let text = order.negativePrompt { settings["negative_prompt"] = .string(text) }
        if let width = order.width, let height = order.height { settings["size"] = .string("\(width)x\(height)") }
        if let steps = order.steps { settings["num_inference_steps"] = .integer(steps) }
        if let scale = order.guidanceScale { settings["guidance_scale"] = .number(Double(scale)) }
        if let temperature = order.temperature { settings["temperature"] = .number(Double(temperature.first)) }
        if let strength = order.strength { settings["strength"] = .number(strength) }
        if let format = order.format {
            settings["output_format"] = .string(format.kind.rawValue)
            settings["output_compression"] = .integer(format.quality)
        }
        if order.previewCount > 0 { settings["partial_images"] = .integer(order.previewCount) }
        return settings
    }
}

extension Job.Outcome {
    /// OpenAI's account of tokens.
    fileprivate var usage: JSONValue {
        PaintedPictures(
            files: [], width: width, height: height, seed: 0, textTokens: textTokens, imageTokens: imageTokens,
            paintedTokens: paintedTokens
        ).usage
    }
}
