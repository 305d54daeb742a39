import SwiftProtobuf

/// The body of an envelope: one function each way over all messages.
enum WireBody {
    /// Encodes a message.
    static func encode(_ message: Message) -> WireEnvelope.OneOf_Body {
        switch message {
        case .hello(let value): .hello(WireHello(value))
        case .bound(let value): .bound(.with { $0.endpoint = value.endpoint })
        case .ready: .ready(WireReady())
        case .loadProgress(let value): .loadProgress(WireLoadProgress(value))
        case .installed(let value): .installed(WireInstalled(value))
        case .result(let value): .result(WireRunResult(value))
        case .traced(let value): .traced(WireTraceReport(value))
        case .failure(let value): .failure(WireFailure(value))
        case .goodbye(let reason): .goodbye(.with { $0.reason = cut(reason) })
        case .assign(let value): .assign(WireAssign(value))
        case .connect(let endpoints): .connect(WireConnect(endpoints))
        case .install(let value): .install(WireInstall(value))
        case .uninstall(let key): .uninstall(.with { $0.programKey = key })
        case .run(let value): .run(WireRun(value))
        case .release(let request): .release(.with { $0.request = request })
        case .trace(let value): .trace(WireTraceOrder(value))
        case .abort(let reason): .abort(.with { $0.reason = cut(reason) })
        case .shutdown(let reason): .shutdown(.with { $0.reason = cut(reason) })
        case .reject(let code, let message):
            .reject(
                .with {
                    $0.code = code
                    $0.message = cut(message)
                })
        case .heartbeat(let value): .heartbeat(WireHeartbeat(value))
        case .clientHello(let version): .clientHello(.with { $0.buildVersion = version })
        case .clientWelcome(let value):
            .clientWelcome(
                .with {
                    $0.cluster = value.cluster
                    $0.buildVersion = value.buildVersion
                })
        case .generate(let value): .generate(WireGenerate(value))
        case .cancelGenerate(let job): .cancelGenerate(.with { $0.job = job })
        case .progress(let value): .progress(WireProgress(value))
        case .pictures(let value): .pictures(WirePictures(value))
        case .clientError(let value): .clientError(WireClientError(value))
        case .statusQuery: .statusQuery(WireStatusQuery())
        case .status(let value): .status(WireStatus(value))
        }
    }

    /// Decodes a message.
    static func decode(_ body: WireEnvelope.OneOf_Body) throws(ProtocolError) -> Message {
        switch body {
        case .hello(let wire): .hello(try wire.value())
        case .bound(let wire): .bound(Bound(endpoint: try Check.required(wire.endpoint, "the data endpoint")))
        case .ready: .ready
        case .loadProgress(let wire): .loadProgress(try wire.value())
        case .installed(let wire): .installed(try wire.value())
        case .result(let wire): .result(try wire.value())
        case .traced(let wire): .traced(try wire.value())
        case .failure(let wire): .failure(try wire.value())
        case .goodbye(let wire): .goodbye(reason: try Check.text(wire.reason, "the reason"))
        case .assign(let wire): .assign(try wire.value())
        case .connect(let wire): .connect(endpoints: try wire.value())
        case .install(let wire): .install(try wire.value())
        case .uninstall(let wire):
            .uninstall(programKey: try Check.required(wire.programKey, "the program key"))
        case .run(let wire): .run(try wire.value())
        case .release(let wire): .release(request: wire.request)
        case .trace(let wire): .trace(try wire.value())
        case .abort(let wire): .abort(reason: try Check.text(wire.reason, "the reason"))
        case .shutdown(let wire): .shutdown(reason: try Check.text(wire.reason, "the reason"))
        case .reject(let wire):
            .reject(
                code: try Check.required(wire.code, "the code of a rejection"),
                message: try Check.text(wire.message, "the message of a rejection"))
        case .heartbeat(let wire): .heartbeat(try wire.value())
        case .clientHello(let wire): .clientHello(buildVersion: try Check.name(wire.buildVersion, "the build version"))
        case .clientWelcome(let wire):
            .clientWelcome(
                ClientWelcome(
                    cluster: try Check.name(wire.cluster, "the cluster's name"),
                    buildVersion: try Check.name(wire.buildVersion, "the build version")))
        case .generate(let wire): .generate(try wire.value())
        case .cancelGenerate(let wire): .cancelGenerate(job: wire.job)
        case .progress(let wire): .progress(try wire.value())
        case .pictures(let wire): .pictures(try wire.value())
        case .clientError(let wire): .clientError(try wire.value())
        case .statusQuery: .statusQuery
        case .status(let wire): .status(try wire.value())
        }
    }

    /// A text that the other end accepts whatever its characters.
    private static func cut(_ text: String) -> String { String(text.prefix(ProtocolLimits.textBytes / 8)) }
}
