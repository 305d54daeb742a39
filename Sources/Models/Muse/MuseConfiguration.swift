/// A Muse text-to-image model: its parts and how pictures are decoded ("Muse: Text-To-Image Generation via Masked
/// Generative Transformers").
///
/// Only the base model: 16 x 16 tokens of 16 x 16 pixels. Sizes that the paper does not give are choices, written down
/// where they are made: in ``MuseTransformerConfiguration`` and ``preset(_:textEncoder:)``. Choices of decoding:
/// - 24 steps and a cosine schedule are the paper's; guidance rises linearly as its §2.7 says, to a scale of 4, which is
///   the paper's value for editing (§3.3);
/// - the temperature of confidences falls from MaskGIT's 4.5 to 0.
public struct MuseConfiguration: Sendable, Hashable {
    /// Text encoder.
    public var text: T5Configuration
    /// Masked-token transformer.
    public var transformer: MuseTransformerConfiguration
    /// Picture tokenizer.
    public var vqgan: VQGANConfiguration
    /// Decoding steps.
    public var stepCount: Int
    /// Guidance scale, 1 + t in the paper's terms.
    public var guidanceScale: Double
    /// How guidance goes over the steps.
    public var guidanceSchedule: GuidanceSchedule
    /// Temperature of confidences at the first step; it falls to 0.
    public var temperature: Double

    /// What `model.json` calls this family.
    public static let family = "muse"
    /// The file that says which family a folder holds, and how pictures are decoded.
    public static let file = "model.json"
    /// Parts with weights, which are also the names of their folders.
    static let parts = ["text_encoder", "transformer", "vqgan"]
    /// Files that say what the model is, besides its weights.
    static let textFiles = [file] + parts.map { "\($0)/config.json" }

    /// Makes a configuration with the decoding choices above.
    public init(
        text: T5Configuration, transformer: MuseTransformerConfiguration, vqgan: VQGANConfiguration,
        stepCount: Int = 24, guidanceScale: Double = 4, guidanceSchedule: GuidanceSchedule = .linear,
        temperature: Double = 4.5
    ) {
        self.text = text
        self.transformer = transformer
        self.vqgan = vqgan
        self.stepCount = stepCount
        self.guidanceScale = guidanceScale
        self.guidanceSchedule = guidanceSchedule
        self.temperature = temperature
    }

    /// True where a folder says that it holds this family.
    public static func isFolder(_ folder: String) -> Bool { FileReader.exists("\(folder)/\(file)") }

    /// Reads and cross-checks the configuration files of a folder.
    ///
    /// Throws ``CheckpointError``.
    public static func read(folder: String) throws(CheckpointError) -> MuseConfiguration {
        guard FileReader.isFolder(folder) else { throw .file(path: folder, problem: "there is no such folder") }
        var reader = try ConfigurationReader(file: "\(folder)/\(file)")
        _ = reader.word("family", [family])
        let stepCount = reader.size("steps")
        let scale = reader.number("guidance_scale", in: 0...1000)
        let schedule = reader.word("guidance_schedule", GuidanceSchedule.allCases.map(\.rawValue))
        let temperature = reader.number("temperature", in: 0...100)
        if stepCount > 1000 { reader.reject("steps is more than 1000") }
        try reader.finish()
        let result = MuseConfiguration(
            text: try .read("\(folder)/text_encoder/config.json"),
            transformer: try .read("\(folder)/transformer/config.json"),
            vqgan: try .read("\(folder)/vqgan/config.json"), stepCount: stepCount, guidanceScale: scale,
            guidanceSchedule: GuidanceSchedule(rawValue: schedule) ?? .linear, temperature: temperature)
        let problems = result.contradictions
        guard problems.isEmpty else { throw .configuration(file: folder, problems: problems) }
        return result
    }

    /// What the parts say differently about each other.
    private var contradictions: [String] {
        var problems: [String] = []
        if transformer.textSize != text.hiddenSize {
            problems.append("transformer text_size is not text_encoder d_model")
        }
        if transformer.codebookSize > vqgan.codebookSize { problems.append("transformer codes exceeds vqgan codes") }
        return problems
    }

    /// The configuration files of a folder, by path below it.
    public var files: [String: String] {
        let model = JSONValue.object([
            "family": .string(Self.family), "steps": .int(stepCount), "guidance_scale": .double(guidanceScale),
            "guidance_schedule": .string(guidanceSchedule.rawValue), "temperature": .double(temperature),
        ])
        return [
            Self.file: model.text, "text_encoder/config.json": text.json.text,
            "transformer/config.json": transformer.json.text, "vqgan/config.json": vqgan.json.text,
        ]
    }
}
