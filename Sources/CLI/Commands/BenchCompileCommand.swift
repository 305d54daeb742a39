import ArgumentParser
import Bench
import Coordinator
import Models

/// `tessera bench compile`.
struct BenchCompileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile", abstract: "How long plans take, by layers and devices.",
        discussion: """
            Compiles one decoding step of a Muse model with other numbers of layers for meshes of any size, with one \
            picture for each device along the axis data. Seconds of each pass are among the details, those of the report \
            with predicted times besides. Time should grow as layers do.

              tessera bench compile --layers 12 24 48 96 --mesh model=8 data=4,model=128
            """)

    @OptionGroup var options: BenchOptions

    @Option(help: "A preset of the muse family.")
    var preset = "muse-3b"

    @Option(help: "bf16, int8 or f32.")
    var dtype = "bf16"

    @Option(parsing: .upToNextOption, help: "Numbers of layers.")
    var layers = [12, 24, 48, 96]

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Axes of the mesh; several may be given.", valueName: "mesh"))
    var mesh = ["model=8", "data=4,model=128"]

    func validate() throws {
        guard MuseConfiguration.presets.contains(preset) else {
            throw ValidationError(
                "There is no preset '\(preset)' of the muse family; there are "
                    + "\(MuseConfiguration.presets.joined(separator: ", ")).")
        }
        guard ModelPrecision(rawValue: dtype) != nil else {
            throw ValidationError("--dtype takes bf16, int8 or f32, not '\(dtype)'.")
        }
        for count in layers where !(1...1024).contains(count) {
            throw ValidationError("--layers takes 1 to 1024, not \(count).")
        }
        for text in mesh where (try? BenchLayout(mesh: text)) == nil {
            throw ValidationError("--mesh takes NAME=SIZE[,NAME=SIZE…], not '\(text)'.")
        }
    }

    func run() async throws {
        let cases = try mesh.flatMap { text in try layers.map { try compileCase($0, BenchLayout(mesh: text)) } }
        let runs = options.runs
        try await BenchSession.run("compile", options) { progress in
            try CompileBench(runs: runs, progress: progress)
                .figures(cases, timedDeviceMax: PlannedRequest.timedDeviceMax)
        }
    }

    private func compileCase(_ layers: Int, _ layout: BenchLayout) throws -> CompileBench.Case {
        let configuration = try BenchSession.configuration(layout, preset: preset, dtype: dtype)
        var shape = try MuseConfiguration.preset(preset)
        shape.transformer.layerCount = layers
        let model = MuseImageModel(
            MuseModel(
                name: "\(preset) of \(layers) layers", configuration: shape, seed: 0,
                precision: configuration.model.dtype))
        let side = shape.transformer.gridSize
        let request = GenerationShape(
            pictures: configuration.batchDivisor, isGuided: true, rows: side, columns: side)
        return CompileBench.Case(
            model: "\(preset) \(dtype)", layers: layers, mesh: configuration.mesh, rules: configuration.rules,
            options: configuration.compilerOptions, profile: configuration.machineProfile,
            first: try model.program(.text, shape: request),
            program: try model.program(.step(.generated), shape: request))
    }
}
