public import Coordinator
import Foundation
public import Models

/// Everything that decides a picture, kept inside its PNG.
///
/// The same record on the same instruction-set level and element type gives the same pixels on any mesh.
public struct ReproducibilityRecord: Sendable, Hashable, Codable {
    /// Keyword of the text chunk that holds the record as JSON.
    public static let keyword = "tessera"
    /// Keyword of the text chunk that other programs show.
    public static let readableKeyword = "parameters"

    /// Version of Tessera.
    public var version: String
    /// Model name: folder or preset.
    public var model: String
    /// Fingerprint of the model's files.
    public var modelHash: String
    /// Prompt.
    public var prompt: String
    /// Negative prompt, where guidance uses one.
    public var negativePrompt: String?
    /// Seed of the request.
    public var seed: UInt64
    /// Index of the picture in the request.
    public var pictureIndex: Int
    /// Steps of the schedule.
    public var steps: Int
    /// First step that was run.
    public var startStep: Int
    /// Guidance scale.
    public var guidanceScale: Float
    /// How guidance goes over the steps; nil: it is the same at every step.
    public var guidanceSchedule: String?
    /// Temperature of first and last step.
    public var temperature: TemperatureRange
    /// Mask schedule.
    public var schedule: MaskSchedule
    /// Width in pixels.
    public var width: Int
    /// Height in pixels.
    public var height: Int
    /// Size, crop and score that the model was told.
    public var microConditioning: GenerationRequest.MicroConditioning
    /// What was done with a given picture: nil, "variation" or "inpainting".
    public var editing: String?
    /// What the model computed in: bf16, int8 or f32.
    public var dtype: String
    /// Instruction-set level of the kernels.
    public var instructionSet: String
    /// The mesh ("guidance=2,model=2"): for information, it changes no pixel unless ``partialSums`` says so.
    public var mesh: String
    /// How partial sums travelled, where that makes the picture depend on the mesh: nil or "activations".
    public var partialSums: String?

    /// What the cluster adds to a plan.
    public struct Environment: Sendable, Hashable {
        /// Version of Tessera.
        public var version: String
        /// Model name.
        public var model: String
        /// Fingerprint of the model's files.
        public var modelHash: String
        /// What the model computed in: bf16, int8 or f32.
        public var dtype: String
        /// Instruction-set level of the kernels.
        public var instructionSet: String
        /// The mesh.
        public var mesh: String
        /// How partial sums travel, where that makes pictures depend on the mesh.
        public var partialSums: String?

        /// Makes an environment.
        public init(
            version: String, model: String, modelHash: String, dtype: String, instructionSet: String, mesh: String,
            partialSums: String? = nil
        ) {
            self.version = version
            self.model = model
            self.modelHash = modelHash
            self.dtype = dtype
            self.instructionSet = instructionSet
            self.mesh = mesh
            self.partialSums = partialSums
        }
    }

    /// The record of one picture of a plan.
    public init(plan: GenerationPlan, picture: GeneratedPicture, environment: Environment) {
        let request = plan.request
        version = environment.version
        model = environment.model
        modelHash = environment.modelHash
        prompt = picture.prompt
        negativePrompt = plan.isGuided ? request.negativePrompt : nil
        seed = request.seed
        pictureIndex = picture.index
        steps = plan.stepCount
        startStep = plan.startStep
        guidanceScale = plan.guidanceScale
        guidanceSchedule = plan.changingGuidance
        temperature = TemperatureRange(
            from: plan.temperatures.first ?? 0, to: plan.temperatures.last ?? 0)
        schedule = plan.schedule
        width = plan.width
        height = plan.height
        microConditioning = request.microConditioning
        switch request.editing {
        case nil: editing = nil
        case .variation: editing = "variation"
        case .inpainting: editing = "inpainting"
        }
        dtype = environment.dtype
        instructionSet = environment.instructionSet
        mesh = environment.mesh
        partialSums = environment.partialSums
    }

    /// The record as JSON, keys in order.
    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        } catch {
            preconditionFailure("a record of strings and finite numbers is encodable: \(error)")
        }
    }

    /// Reads a record back from a PNG; nil where there is none.
    ///
    /// Throws what is wrong with its JSON.
    public static func read(from png: DecodedPicture) throws -> ReproducibilityRecord? {
        guard let json = png.text(keyword) else { return nil }
        return try JSONDecoder().decode(ReproducibilityRecord.self, from: Data(json.utf8))
    }

    /// The record in the form that picture browsers know from other generators.
    public var readable: String {
        var lines = [prompt]
        if let negativePrompt, !negativePrompt.isEmpty { lines.append("Negative prompt: \(negativePrompt)") }
        lines.append(
            "Steps: \(steps), Sampler: \(schedule.rawValue), CFG scale: \(guidanceScale), Seed: \(seed), "
                + "Size: \(width)x\(height), Model hash: \(modelHash.prefix(10)), Model: \(model), "
                + "Temperature: \(temperature.first) to \(temperature.last), Picture: \(pictureIndex), "
                + "Version: Tessera \(version)")
        return lines.joined(separator: "\n")
    }

    /// Text chunks for ``PNGFile/encode(_:texts:)``.
    public var texts: [PNGFile.Text] {
        // A zero character cannot be stored as text; JSON writes it as an escape.
        let readable = readable.replacingOccurrences(of: "\0", with: "\u{FFFD}")
        return [.init(keyword: Self.readableKeyword, value: readable), .init(keyword: Self.keyword, value: json)]
    }
}
