import ArgumentParser
import Coordinator
import Foundation
import Protocol
import Server

/// `tessera generate`.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Turns a prompt into a picture.",
        discussion: """
            Uses the cluster that runs at the file's control address, or starts one for this call. The same prompt, seed \
            and settings give the same picture on any mesh.

              tessera generate "a red fox in snow" -o fox.png
              tessera generate "a red fox" --negative-prompt blurry --seed 7 -n 4
              tessera generate "a fox at night" --image fox.png --strength 0.6
              tessera generate "a black hat" --image fox.png --mask head.png

            With -n, pictures are numbered: out-1.png, out-2.png and so on. The path of each picture goes to standard \
            output, one a line. Each PNG records the prompt, seed, settings and model that it was made with.
            """)

    @Argument(help: "What the picture shows.")
    var prompt: String

    @Option(
        name: [.long, .customShort("c")], help: "The cluster file; TESSERA_CONFIG or cluster.yaml if left out.")
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "What the picture should not show.")
    var negativePrompt = ""

    @Option(help: "Seed of the random numbers; drawn and recorded in the picture if left out.")
    var seed: UInt64?

    @Option(help: "Decoding steps; the model's own number if left out.")
    var steps: Int?

    @Option(help: "How strongly the picture follows the prompt; 1 or less switches guidance off.")
    var guidanceScale: Float?

    @Option(help: "Randomness in the order in which tokens are settled, at the first step.")
    var temperature: Float?

    @Option(name: [.customShort("n"), .customLong("count")], help: "Number of pictures.")
    var count = 1

    @Option(
        help: ArgumentHelp("Size in pixels; the model's own if left out.", valueName: "WxH"),
        transform: PictureSize.parse)
    var size: PictureSize?

    @Option(help: ArgumentHelp("Starts from this picture (PNG or JPEG).", valueName: "file"))
    var image: String?

    @Option(help: ArgumentHelp("Repaints --image only where this picture (PNG or JPEG) is white.", valueName: "file"))
    var mask: String?

    @Option(help: "With --image: how much of it is painted anew, above 0 up to 1.")
    var strength: Float?

    @Option(name: [.customShort("o"), .customLong("output")], help: ArgumentHelp("The picture.", valueName: "png"))
    var output = "out.png"

    @Option(
        help: ArgumentHelp(
            "Writes a timeline of all workers for Perfetto or chrome://tracing; starts a cluster for this call.",
            valueName: "file"))
    var trace: String?

    func validate() throws {
        if let trace { try OutputFiles.check(trace) }
        if prompt.allSatisfy(\.isWhitespace) { throw ValidationError("The prompt is empty; say what to show.") }
        if let steps, !(1...1000).contains(steps) { throw ValidationError("--steps takes 1 to 1000, not \(steps).") }
        if !(1...64).contains(count) { throw ValidationError("-n takes 1 to 64, not \(count).") }
        if let guidanceScale, !(guidanceScale.isFinite && (0...100).contains(guidanceScale)) {
            throw ValidationError("--guidance-scale takes 0 to 100, not \(guidanceScale).")
        }
        if let temperature, !(temperature.isFinite && (0...100).contains(temperature)) {
            throw ValidationError("--temperature takes 0 to 100, not \(temperature).")
        }
        if let strength, !(strength > 0 && strength <= 1) {
            throw ValidationError("--strength takes more than 0 up to 1, not \(strength).")
        }
        if image == nil {
            if mask != nil { throw ValidationError("--mask needs --image: it says where that picture is repainted.") }
            if strength != nil { throw ValidationError("--strength needs --image: it says how much of it changes.") }
        } else if size != nil {
            throw ValidationError("--size and --image exclude each other: the picture has its size.")
        }
        try OutputFiles.check(output)
    }

    func run() async throws {
        let configuration = try options.load(config)
        let pictures = try await GenerateSession.pictures(configuration, try order(), trace: trace)
        for warning in pictures.warnings { Terminal.shared.note("warning: \(warning)") }
        for (path, file) in zip(OutputFiles.paths(output, count: pictures.files.count), pictures.files) {
            try PictureFile.write(file, to: path)
            Terminal.shared.result(path)
        }
    }

    /// What the cluster is asked for; reads the given pictures.
    private func order() throws -> Generate {
        Generate(
            job: 1, prompt: prompt, negativePrompt: negativePrompt,
            seed: seed ?? UInt64.random(in: 0...UInt64(UInt32.max)),
            steps: steps ?? 0, guidanceScale: guidanceScale.map { Double($0) },
            temperatureStart: temperature.map { Double($0) }, count: count, width: size?.width ?? 0,
            height: size?.height ?? 0, image: try picture(image), mask: try picture(mask),
            strength: strength.map { Double($0) })
    }

    /// The bytes of a picture that can be read.
    private func picture(_ path: String?) throws -> [UInt8] {
        guard let path else { return [] }
        _ = try PictureFile.read(path)
        return Array(try Data(contentsOf: URL(filePath: path)))
    }
}
