import Coordinator
import HTTPTypes
import Tensor

/// An order as the Images API words it: the fields that generations and edits share.
struct PictureFields {
    /// What to make; edits add their picture.
    var request: GenerationRequest
    /// Events instead of one answer.
    var isStream: Bool
    /// Previews that the events are to contain.
    var partialImages: Int
    /// Addresses of pictures that are kept, instead of the pictures.
    var isURL: Bool
    /// What pictures are written as.
    var format = PictureFormat.png
    /// Among the same key's orders the higher goes first.
    var priority: Int
    /// How long the client waits; nil: it did not say.
    var deadline: Duration?
    /// The client's word for the quality, which events repeat.
    static let quality = "auto"

    /// Fields of `POST /v1/images/generations`.
    static let generationNames = [
        "prompt", "model", "n", "size", "quality", "response_format", "output_format", "output_compression",
        "background", "moderation", "style", "user", "stream", "partial_images", "seed", "negative_prompt",
        "num_inference_steps", "guidance_scale", "temperature", "priority", "deadline_seconds",
    ]
    /// Fields of `POST /v1/images/edits` besides the files.
    static let editNames =
        generationNames.filter { !["moderation", "style"].contains($0) } + ["input_fidelity", "strength"]

    /// Fields of `POST /v1/images/variations` besides the file.
    static let variationNames =
        editNames.filter { !["stream", "partial_images", "background", "input_fidelity"].contains($0) }
    /// Fields of `POST /v1/jobs`.
    static let jobNames =
        generationNames.filter { !["stream", "response_format"].contains($0) }
        + ["kind", "image", "mask", "strength"]

    /// Longest side that a size may name.
    private static let sideLimit = 65_536
    /// Longest deadline in seconds that is looked at: a day.
    static let longestDeadline = 86_400.0

    /// Reads and checks the fields; which sizes fit the model is checked by the service.
    ///
    /// - Parameters:
    ///   - seed: used where the request has none.
    ///   - needsPrompt: false: without a prompt it is empty.
    ///   - isJob: there may be previews without a stream.
    init(
        _ fields: RequestFields, names: [String], model: ServedModel, limits: ServerSettings.Limits, seed: UInt64,
        needsPrompt: Bool = true, isJob: Bool = false
    ) throws(APIError) {
        try fields.check(known: names)
        if let name = try fields.text("model", byteLimit: 1024), name != model.id {
            throw APIError(
                status: .notFound, message: "the model '\(name.prefix(60))' is not served here; '\(model.id)' is",
                param: "model", code: "model_not_found")
        }
        let prompt = try fields.text("prompt", byteLimit: limits.promptByteCount)
        if prompt == nil, needsPrompt { throw .invalid("prompt", "prompt is missing", code: "missing_field") }
        request = GenerationRequest(prompt: prompt ?? "", seed: try fields.seed("seed") ?? seed)
        request.negativePrompt = try fields.text("negative_prompt", byteLimit: limits.promptByteCount)
        request.picturesPerPrompt = try fields.integer("n", in: 1...limits.pictures) ?? 1
        request.steps = try fields.integer("num_inference_steps", in: 1...GenerationPlan.Limits.steps)
        request.guidanceScale = try fields.real(
            "guidance_scale", in: 0...Double(GenerationPlan.Limits.guidanceScale)
        ).map { Float($0) }
        request.temperature = try fields.real("temperature", in: 0...Double(GenerationPlan.Limits.temperature))
            .map { TemperatureRange(Float($0)) }
        if let size = try Self.size(fields) { (request.width, request.height) = (size.width, size.height) }
        isStream = try fields.flag("stream") ?? false
        partialImages = try fields.integer("partial_images", in: 0...3) ?? 0
        priority = try fields.integer("priority", in: ServiceTerms.priorities) ?? 0
        deadline = try fields.real("deadline_seconds", in: 0...Self.longestDeadline).map { .seconds($0) }
        if isStream, request.picturesPerPrompt != 1 {
            throw .invalid("n", "n must be 1 with stream", code: "unsupported_value")
        }
        isURL = try fields.word("response_format", of: ["b64_json", "url"]) == "url"
        if isURL, isStream {
            throw .invalid(
                "response_format", "response_format must be b64_json with stream", code: "unsupported_value")
        }
        if !isStream, !isJob, partialImages > 0 {
            throw .invalid("partial_images", "partial_images needs stream", code: "unsupported_value")
        }
        format = try Self.format(fields)
        try Self.checkFixed(fields)
    }

    /// What pictures are written as.
    private static func format(_ fields: RequestFields) throws(APIError) -> PictureFormat {
        let words = PictureKind.allCases.map(\.rawValue)
        try fields.choice("output_format", of: words, unsupported: ["webp"], instead: "png and jpeg are")
        let kind = try fields.word("output_format", of: words + ["webp"]).flatMap(PictureKind.init) ?? .png
        let quality = try fields.integer("output_compression", in: 0...100) ?? 100
        guard kind == .jpeg || quality == 100 else {
            throw .invalid(
                "output_compression", "output_compression is for jpeg; png files lose nothing",
                code: "unsupported_value")
        }
        return PictureFormat(kind, quality: quality)
    }

    /// What the API knows and this server has one way for.
    private static func checkFixed(_ fields: RequestFields) throws(APIError) {
        try fields.choice(
            "quality", of: ["auto", "standard"], unsupported: ["low", "medium", "high", "hd"],
            instead: "there is one quality; use num_inference_steps")
        try fields.choice(
            "background", of: ["auto", "opaque"], unsupported: ["transparent"], instead: "pictures have no alpha")
        try fields.choice(
            "style", of: [], unsupported: ["vivid", "natural"], instead: "say it in the prompt")
        try fields.choice("moderation", of: ["auto", "low"])
        try fields.choice(
            "input_fidelity", of: ["low"], unsupported: ["high"], instead: "use strength")
        _ = try fields.text("user", byteLimit: 512)
    }

    /// `WxH`; nil for `auto` and nothing.
    private static func size(_ fields: RequestFields) throws(APIError) -> (width: Int, height: Int)? {
        guard let text = try fields.text("size", byteLimit: 32), text != "auto" else { return nil }
        let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { part in
            part.allSatisfy { $0.isASCII && $0.isNumber } ? Int(part) : nil
        }
        guard parts.count == 2, let width = parts[0], let height = parts[1], (1...sideLimit).contains(width),
            (1...sideLimit).contains(height)
        else { throw .invalid("size", "size must be 'auto' or like '256x256'") }
        return (width, height)
    }
}
