import ArgumentParser
import Coordinator
import Foundation
import Protocol
import Server

/// `tessera batch`.
struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch", abstract: "Turns a file of prompts into a folder of pictures.",
        discussion: """
            The file holds one order a line, each a JSON object. Only "prompt" is required:

              {"prompt": "a red fox in snow", "name": "fox", "seed": 7}
              {"prompt": "a black hat", "name": "hat", "image": "fox.png", "mask": "head.png", "steps": 16}

            Keys: prompt, name, negative_prompt, seed, steps, guidance_scale, temperature, size ("256x256"), image, mask \
            and strength, as the flags of 'tessera generate'. Names of files count from the file's folder. A picture is \
            called by its name, or by the number of its line; a seed that is left out is that number. All lines are \
            checked before anything starts, and one cluster makes all pictures.

              tessera batch prompts.jsonl -o pictures
            """)

    @Argument(help: ArgumentHelp("One order a line, as JSON.", valueName: "jsonl"))
    var file: String

    @Option(
        name: [.long, .customShort("c")], help: "The cluster file; TESSERA_CONFIG or cluster.yaml if left out.")
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("The folder for the pictures; made if it is not there.", valueName: "folder"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "Writes a timeline of all workers for Perfetto or chrome://tracing; starts a cluster for this call.",
            valueName: "file"))
    var trace: String?

    func validate() throws { if let trace { try OutputFiles.check(trace) } }

    func run() async throws {
        let configuration = try options.load(config)
        let orders = try BatchFile(path: file).orders
        do {
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        } catch {
            throw ValidationError("The folder '\(output)' cannot be made: \(error.localizedDescription)")
        }
        let folder = URL(filePath: output)
        let paths = orders.map { folder.appending(path: "\($0.name).png").path }
        for path in paths { try OutputFiles.check(path) }
        try await GenerateSession.make(configuration, orders.map(\.order), trace: trace) { index, pictures in
            for warning in pictures.warnings { Terminal.shared.note("\(orders[index].name): warning: \(warning)") }
            guard let picture = pictures.files.first else { return }
            try PictureFile.write(picture, to: paths[index])
            Terminal.shared.result(paths[index])
        }
    }
}
