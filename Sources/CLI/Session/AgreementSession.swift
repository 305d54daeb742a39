import Bench
import Coordinator
import Logging
import Models
import Tensor

/// The wiring of `bench agreement`: one picture on one cluster after the other, with the same inputs at every step.
enum AgreementSession {
    /// What two configurations of one model answered.
    struct Compared: Sendable {
        var agreement: TokenAgreement
        /// Seconds of the steps of the one that is judged, and of the reference's.
        var seconds: [Double]
        var referenceSeconds: [Double]
    }

    /// Paints a picture with the reference, then makes the other repeat its calls.
    static func compare(
        _ configuration: ClusterConfiguration, with reference: ClusterConfiguration, steps: Int
    ) async throws -> Compared {
        let exact = try await transcript(reference, steps: steps, teacher: nil)
        let other = try await transcript(configuration, steps: steps, teacher: exact)
        let model = try ModelLoader.load(reference.model)
        return Compared(
            agreement: try TokenAgreement(other, reference: exact, maskToken: model.maskToken),
            seconds: stepSeconds(other), referenceSeconds: stepSeconds(exact))
    }

    private static func stepSeconds(_ transcript: Transcript) -> [Double] {
        transcript.calls.filter { $0.program == "step" }.map(\.seconds)
    }

    private static func transcript(
        _ configuration: ClusterConfiguration, steps: Int, teacher: Transcript?
    ) async throws -> Transcript {
        let model = try ModelLoader.load(configuration.model, exposesInternals: true)
        let sources = try model.loaded.sources()
        let logger = TerminalLog.logger(level: .critical)
        Terminal.shared.note("running \(model.loaded.name) in \(configuration.model.dtype.rawValue)")
        return try await withCluster(
            configuration.settings(bind: configuration.ownEndpoint, modelHash: model.loaded.identity),
            launcher: configuration.launcher(logger), logger: logger
        ) { cluster in
            let runner = TranscribingRunner(
                ClusterRunner(cluster: cluster, configuration: configuration, sources: sources), teacher: teacher)
            var request = GenerationRequest(prompt: "a red fox in snow", seed: 1)
            configuration.generation.complete(&request)
            request.steps = steps
            _ = try await DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers()).generate(request)
            return await runner.transcript
        }
    }
}
