public import Program
public import Sharding
import Synchronization

/// How long the compiler takes, by pass, and how that grows with a model's layers.
///
/// Runs in this process, on one thread; nothing else is started.
public struct CompileBench: Sendable {
    /// One model on one mesh.
    public struct Case: Sendable {
        /// Name of the model and its element type.
        public var model: String
        /// Its layers.
        public var layers: Int
        /// The devices to plan for.
        public var mesh: Mesh
        /// What logical axes are split over.
        public var rules: LogicalAxisRules
        /// The compiler's options.
        public var options: CompilerOptions
        /// The machines, by rank.
        public var profile: MachineProfile
        /// The program that leaves what ``program`` reads; compiled once, before the clock runs.
        public var first: Program
        /// The program to compile.
        public var program: Program

        /// Makes a case.
        public init(
            model: String, layers: Int, mesh: Mesh, rules: LogicalAxisRules, options: CompilerOptions,
            profile: MachineProfile, first: Program, program: Program
        ) {
            self.model = model
            self.layers = layers
            self.mesh = mesh
            self.rules = rules
            self.options = options
            self.profile = profile
            self.first = first
            self.program = program
        }

        /// What is compiled, for people.
        var subject: String {
            let axes = mesh.axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
            return "\(model), \(layers) layers on \(axes.isEmpty ? "1 device" : axes), \(program.name)"
        }
    }

    private let runs: Int
    private let progress: @Sendable (String) -> Void

    /// Prepares measurements.
    ///
    /// - Parameters:
    ///   - runs: of each case; the best one counts.
    ///   - progress: told what is measured next.
    public init(runs: Int, progress: @escaping @Sendable (String) -> Void) {
        self.runs = runs
        self.progress = progress
    }

    /// Measures cases, each beside the first of its mesh: seconds of each pass of the best run, and of what a plan adds:
    /// the report, and predicted times where there are not too many devices.
    ///
    /// - Parameter timedDeviceMax: most devices whose times are predicted.
    /// - Throws: `ShardingError`.
    public func figures(_ cases: [Case], timedDeviceMax: Int) throws -> [BenchReport.Figure] {
        var first: [Mesh: Double] = [:]
        return try cases.map { item in
            progress(item.subject)
            var figure = try figure(item, timedDeviceMax: timedDeviceMax)
            let perLayer = figure.seconds.best / Double(item.layers)
            figure.details["secondsPerLayerRelativeToFirst"] = perLayer / (first[item.mesh] ?? perLayer)
            first[item.mesh] = first[item.mesh] ?? perLayer
            return figure
        }
    }

    private func figure(_ item: Case, timedDeviceMax: Int) throws -> BenchReport.Figure {
        let residents = try Compiler.compile(
            item.first, mesh: item.mesh, rules: item.rules, options: item.options
        ).residents
        var samples: [Double] = []
        var details: [String: Double] = [:]
        for _ in 0..<runs {
            let marks = Mutex<[(pass: CompilerPass, at: ContinuousClock.Instant)]>([])
            var options = item.options
            options.passed = { pass in marks.withLock { $0.append((pass, .now)) } }
            let begin = ContinuousClock.now
            let compiled = try Compiler.compile(
                item.program, mesh: item.mesh, rules: item.rules, residents: residents, options: options)
            let end = ContinuousClock.now
            samples.append(Self.seconds(end - begin))
            guard samples.last == samples.min() else { continue }
            var start = begin
            for mark in marks.withLock({ $0 }) {
                details["\(mark.pass.rawValue)Seconds"] = Self.seconds(mark.at - start)
                start = mark.at
            }
            details["reportSeconds"] = report(compiled, item, timedDeviceMax)
        }
        details["operations"] = Double(item.program.operations.count)
        let times = BenchReport.Seconds(samples)
        return BenchReport.Figure(
            subject: item.subject, workers: item.mesh.deviceCount, threads: 1,
            value: Double(item.layers) / times.best, unit: "layer/s", seconds: times, details: details)
    }

    /// Seconds that a report on a compiled program takes, with predicted times.
    private func report(_ compiled: CompiledProgram, _ item: Case, _ timedDeviceMax: Int) -> Double {
        let begin = ContinuousClock.now
        var report = PlanReport(mesh: item.mesh, programs: [compiled])
        if item.mesh.deviceCount <= timedDeviceMax { report.predict([compiled], profile: item.profile) }
        return Self.seconds(ContinuousClock.now - begin)
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + 1e-18 * Double(duration.components.attoseconds)
    }
}
