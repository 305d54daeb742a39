public import Models
public import Tensor

/// A valid request with all defaults filled in: what the decoding loop runs.
public struct GenerationPlan: Sendable, Hashable {
    /// Limits that keep a request from taking a cluster down.
    public enum Limits {
        /// Bytes of a prompt in UTF-8.
        public static let promptBytes = 16_384
        /// Pictures of one request.
        public static let pictures = 64
        /// Pixels along a side of the result.
        public static let side = 4096
        /// Decoding steps.
        public static let steps = 1000
        /// Guidance scale.
        public static let guidanceScale: Float = 1000
        /// Temperature.
        public static let temperature: Float = 100
    }

    /// The request.
    public let request: GenerationRequest
    /// Width in pixels.
    public let width: Int
    /// Height in pixels.
    public let height: Int
    /// Rows of the token grid.
    public let rows: Int
    /// Columns of the token grid.
    public let columns: Int
    /// Steps of the whole schedule.
    public let stepCount: Int
    /// Index of the first step that is run: more than 0 only when a picture is edited.
    public let startStep: Int
    /// Guidance scale.
    public let guidanceScale: Float
    /// How guidance goes over the steps.
    public let guidanceSchedule: GuidanceSchedule
    /// Guidance scale of every step of the schedule; at most 1: no guidance at that step.
    public let guidanceScales: [Float]
    /// Temperature of every step of the schedule.
    public let temperatures: [Float]
    /// How many tokens stay hidden.
    public let schedule: MaskSchedule
    /// True for each token that an inpainting mask covers.
    public let tokenMask: [Bool]?

    /// True with classifier-free guidance.
    public var isGuided: Bool { guidanceScale > 1 }
    /// Name of the schedule where guidance changes over the steps, else nil: for records.
    public var changingGuidance: String? {
        isGuided && guidanceSchedule != .constant ? guidanceSchedule.rawValue : nil
    }
    /// True for a step that has a conditional half only, in a request that has both.
    func isConditional(step: Int) -> Bool { isGuided && guidanceScales[step] <= 1 }
    /// All pictures of the request.
    public var pictureCount: Int { request.prompts.count * request.picturesPerPrompt }
    /// Tokens in one picture.
    public var tokenCount: Int { rows * columns }

    /// Checks a request and fills in what it leaves open.
    ///
    /// Throws ``GenerationRequestError`` with all problems.
    public init(_ request: GenerationRequest, for model: any ImageModel) throws(GenerationRequestError) {
        var checks = RequestChecks()
        let defaults = model.defaults
        checks.texts(request)
        let size = checks.size(request, model: model)
        stepCount = checks.range("steps", request.steps ?? defaults.steps, 1...Limits.steps)
        guidanceScale = checks.range(
            "guidanceScale", request.guidanceScale ?? defaults.guidanceScale, 0...Limits.guidanceScale)
        guidanceSchedule = request.guidanceSchedule ?? defaults.guidanceSchedule
        guidanceScales = guidanceSchedule.scales(guidanceScale, stepCount: stepCount)
        let temperature = request.temperature ?? defaults.temperature
        _ = checks.range("temperature", temperature.first, 0...Limits.temperature)
        _ = checks.range("temperature", temperature.last, 0...Limits.temperature)
        if let interval = request.previewInterval { _ = checks.range("previewInterval", interval, 1...Limits.steps) }
        checks.microConditioning(request.microConditioning)
        startStep = checks.startStep(request.editing, stepCount: stepCount)
        let grid = (rows: size.height / model.pixelsPerToken, columns: size.width / model.pixelsPerToken)
        tokenMask = checks.tokenMask(request.editing, rows: grid.rows, columns: grid.columns)
        if !checks.problems.isEmpty { throw GenerationRequestError(problems: checks.problems) }
        self.request = request
        (width, height) = (size.width, size.height)
        (rows, columns) = (grid.rows, grid.columns)
        temperatures = temperature.values(stepCount: stepCount)
        if case .inpainting = request.editing { schedule = .linear } else { schedule = defaults.schedule }
    }
}

extension GenerationPlan {
    /// The program of a step.
    func role(step: Int, noise: SamplingNoise) -> ProgramRole {
        isConditional(step: step) ? .conditionalStep(noise) : .step(noise)
    }
}

/// Collects what is wrong with a request.
private struct RequestChecks {
    var problems: [GenerationRequestError.Problem] = []

    mutating func fail(_ parameter: String, _ message: String) {
        problems.append(.init(parameter: parameter, message: message))
    }

    /// The value, or the nearest allowed one after a complaint.
    mutating func range<Value: Comparable>(
        _ parameter: String, _ value: Value, _ allowed: ClosedRange<Value>
    ) -> Value {
        if allowed.contains(value) { return value }
        fail(parameter, "is \(value), allowed is \(allowed.lowerBound) to \(allowed.upperBound)")
        return allowed.lowerBound
    }

    mutating func texts(_ request: GenerationRequest) {
        let limit = GenerationPlan.Limits.promptBytes
        if request.prompts.isEmpty { fail("prompt", "is missing, give at least an empty one") }
        for prompt in request.prompts where prompt.utf8.count > limit {
            fail("prompt", "has \(prompt.utf8.count) bytes, allowed are \(limit)")
        }
        if let negative = request.negativePrompt, negative.utf8.count > limit {
            fail("negativePrompt", "has \(negative.utf8.count) bytes, allowed are \(limit)")
        }
        let most = GenerationPlan.Limits.pictures
        let perPrompt = range("picturesPerPrompt", request.picturesPerPrompt, 1...most)
        let total = request.prompts.count.multipliedReportingOverflow(by: perPrompt)
        if total.overflow || total.partialValue > most {
            fail("picturesPerPrompt", "asks for more than \(most) pictures in all")
        }
    }

    mutating func size(_ request: GenerationRequest, model: any ImageModel) -> (width: Int, height: Int) {
        let multiple = model.sizeMultiple
        var natural = (width: model.defaults.width, height: model.defaults.height)
        if let image = request.editing?.image {
            if image.dtype != .u8 || image.dims.count != 3 || image.dims[2] != 3 || image.elementCount == 0 {
                fail("image", "must be 8-bit RGB with at least one pixel")
            } else {
                natural = (image.dims[1] / multiple * multiple, image.dims[0] / multiple * multiple)
                if (request.width == nil && natural.width == 0) || (request.height == nil && natural.height == 0) {
                    fail(
                        "image",
                        "is \(image.dims[1])x\(image.dims[0]), both sides must be at least \(multiple) pixels")
                    natural = (multiple, multiple)
                }
            }
        }
        func side(_ name: String, _ value: Int) -> Int {
            let most = GenerationPlan.Limits.side / multiple * multiple
            let allowed = max(multiple, 1)...max(most, multiple)
            if allowed.contains(value) && value % multiple == 0 { return value }
            fail(name, "is \(value), allowed are multiples of \(multiple) from \(multiple) to \(allowed.upperBound)")
            return multiple
        }
        let size = (
            width: side("width", request.width ?? natural.width),
            height: side("height", request.height ?? natural.height)
        )
        let tokens = (size.width / model.pixelsPerToken) * (size.height / model.pixelsPerToken)
        if tokens > model.tokenLimit {
            let pixels = model.tokenLimit * model.pixelsPerToken * model.pixelsPerToken
            fail("width", "times height is \(size.width * size.height) pixels, allowed are \(pixels)")
        }
        return size
    }

    mutating func microConditioning(_ values: GenerationRequest.MicroConditioning) {
        _ = range("cropTop", values.cropTop, 0...65_536)
        _ = range("cropLeft", values.cropLeft, 0...65_536)
        _ = range("aestheticScore", values.aestheticScore, 0...100)
    }

    mutating func startStep(_ editing: GenerationRequest.Editing?, stepCount: Int) -> Int {
        guard let strength = editing?.strength else { return 0 }
        guard strength > 0, strength <= 1 else {
            fail("strength", "is \(strength), allowed is more than 0 up to 1")
            return 0
        }
        let count = Int(Double(stepCount) * strength)
        if count == 0 { fail("strength", "times steps is less than one step; raise one of them") }
        return stepCount - count
    }

    mutating func tokenMask(_ editing: GenerationRequest.Editing?, rows: Int, columns: Int) -> [Bool]? {
        guard case .inpainting(let image, let mask, _) = editing else { return nil }
        guard mask.dtype == .u8, mask.dims.count == 2, mask.dims == Array(image.dims.prefix(2)),
            mask.elementCount > 0
        else {
            let size = mask.dims.reversed().map(String.init).joined(separator: "x")
            let wanted = image.dims.prefix(2).reversed().map(String.init).joined(separator: "x")
            fail("mask", "is \(size), it must be grey and of the picture's size \(wanted)")
            return nil
        }
        let hidden = ImageResize.tokenMask(mask, rows: rows, columns: columns)
        if !hidden.contains(true) { fail("mask", "covers no token; paint white what is to be made anew") }
        return hidden
    }
}

extension GenerationRequest.Editing {
    /// The picture that is edited.
    public var image: HostTensor {
        switch self {
        case .variation(let image, _), .inpainting(let image, _, _): image
        }
    }

    /// The part of the steps that is run.
    public var strength: Double {
        switch self {
        case .variation(_, let strength), .inpainting(_, _, let strength): strength
        }
    }
}
