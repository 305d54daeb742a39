import ArgumentParser
import Coordinator
import Models
import Program
import Runtime
import Tensor

/// `tessera export`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes a Muse model to a folder in our own layout.",
        discussion: """
            Draws the generated weights of a preset and saves them, or rewrites a folder in another element type. The \
            folder must not exist; a cluster file then names it as 'model: path:'. Weights are written one by one, so that \
            little memory is needed.

              tessera export muse-tiny checkpoints/muse-tiny --seed 3 --dtype f32
            """)

    /// Element types that files may have.
    enum FileType: String, ExpressibleByArgument, CaseIterable {
        case bf16, f32
    }

    @Argument(help: "A preset of the muse family, or a folder.")
    var source: String

    @Argument(help: "The folder to write.")
    var folder: String

    @Option(help: "Seed of a preset's generated weights.")
    var seed: UInt64 = 0

    @Option(help: "Text encoder of a preset, such as t5-base; its own if left out.")
    var textEncoder: String?

    @Option(help: "Element type of the files.")
    var dtype: FileType = .bf16

    func run() throws {
        let model =
            MuseConfiguration.isFolder(source)
            ? try MuseModel(folder: source)
            : try MuseModel(preset: source, textEncoder: textEncoder, seed: seed)
        let sources = try model.sources()
        let progress = Progress()
        defer { progress.finish() }
        try model.save(
            to: folder, dtype: dtype == .f32 ? .f32 : .bf16, progress: { progress.wrote($0, of: $1) }
        ) { spec, dtype in
            guard let source = sources[spec.name] else { preconditionFailure("every weight has a source") }
            return try WeightValues.fileBytes(of: spec, as: dtype, from: source)
        }
        progress.finish()
        Terminal.shared.note("wrote \(folder); 'model: {path: \(folder)}' in a cluster file serves it")
    }
}
