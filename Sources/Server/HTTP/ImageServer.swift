public import Coordinator
import Glibc
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import ServiceLifecycle

/// The HTTP server: OpenAI's Images API, health, metrics and a page in front of an ``ImageService``.
public final class ImageServer: Sendable {
    /// Connections at a time; more wait until others end.
    private static let connectionLimit = 1024
    /// How long a connection without a request, or a request that does not arrive, is kept.
    private static let idleSeconds: Int64 = 60
    /// How long answers may still be written after ``stop()``.
    private static let stopDeadline = Duration.seconds(10)

    private let group: ServiceGroup
    private let desk: OrderDesk
    private let address: NetworkAddress
    private let keys: KeyRing?

    /// A server that does not listen yet.
    ///
    /// - Parameters:
    ///   - metrics: those that the service counts in.
    ///   - keepAlive: how often a stream says something when there is nothing to say.
    ///   - stallLimit: a running order that has not come forward for so long is stalled.
    ///   - retryGrace: how long an order is kept running whose client may come back by itself.
    ///   - onListening: gets the port as soon as the server listens.
    ///
    /// Throws ``KeyRingError``, ``JobStoreError``.
    public convenience init(
        _ settings: ServerSettings, service: any ImageService, metrics: Metrics, logger: Logger,
        keepAlive: Duration = .seconds(10), stallLimit: Duration = .seconds(120),
        retryGrace: Duration = .seconds(10), onListening: @escaping @Sendable (Int) async -> Void
    ) throws {
        try self.init(
            settings, service: service, store: try settings.jobs.opened(), metrics: metrics, logger: logger,
            keepAlive: keepAlive, stallLimit: stallLimit, retryGrace: retryGrace, now: nil, onListening: onListening)
    }

    /// A server whose jobs are kept by `store`; `now` gives seconds since 1970.
    package init(
        _ settings: ServerSettings, service: any ImageService, store: any JobStore, metrics: Metrics, logger: Logger,
        keepAlive: Duration, stallLimit: Duration, retryGrace: Duration, now: (@Sendable () -> Double)?,
        onListening: @escaping @Sendable (Int) async -> Void
    ) throws(KeyRingError) {
        address = settings.address
        var keys: KeyRing?
        if let path = settings.keysPath { keys = try KeyRing(path: path) }
        self.keys = keys
        desk = OrderDesk(
            service: service, store: store, retention: settings.results, logger: logger, grace: retryGrace, now: now)
        let responder = ServerResponder(
            service: service, desk: desk, publicURL: settings.publicURL, keys: keys, limits: settings.limits,
            origins: AllowedOrigins(settings.origins), metrics: metrics, logger: logger,
            keepAlive: keepAlive, stallLimit: stallLimit, document: APIDocument(limits: settings.limits))
        // The libraries' own messages are about connections; ours name requests.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .error)
        var configuration = ApplicationConfiguration(
            address: .hostname(settings.address.bindHost, port: settings.address.port), serverName: "tessera")
        configuration.availableConnectionsDelegate = MaximumAvailableConnections(Self.connectionLimit, logger: quiet)
        let application = Application(
            responder: responder,
            server: .http1(configuration: .init(idleTimeout: .seconds(Self.idleSeconds))),
            configuration: configuration,
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? settings.address.port) },
            logger: quiet)
        var services = ServiceGroupConfiguration(services: [application], logger: quiet)
        services.maximumGracefulShutdownDuration = Self.stopDeadline
        group = ServiceGroup(configuration: services)
    }

    /// Serves until ``stop()``, or until the task is cancelled.
    ///
    /// First it takes up the jobs that the last process has left; in the end it waits for pictures to be kept.
    ///
    /// Throws ``ImageServerError``, ``JobStoreError``.
    public func run() async throws {
        try await desk.resume()
        let desk = desk
        let upkeep = Task { await desk.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await serve())
        } catch {
            result = .failure(error)
        }
        upkeep.cancel()
        await desk.finishAll()
        await desk.store.close()
        try result.get()
    }

    private func serve() async throws {
        do {
            try await group.run()
        } catch is CancellationError {
            return
        } catch let error as IOError {
            throw ImageServerError(address: address, reason: String(cString: strerror(error.errnoCode)).lowercased())
        } catch {
            throw ImageServerError(address: address, reason: "\(error)")
        }
    }

    /// Reads the keys file again; returns how many keys it has, or nil where the server asks for none.
    ///
    /// Throws ``KeyRingError``, and admits nobody until the file is right again.
    public func reloadKeys() throws(KeyRingError) -> Int? { try keys?.reload() }

    /// Takes no more requests, and lets ``run()`` return when those in progress are answered, or after a while.
    public func stop() async { await group.triggerGracefulShutdown() }
}

/// Why the server does not serve.
public struct ImageServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Where it was to listen.
    public let address: NetworkAddress
    /// The system's words.
    public let reason: String

    /// One sentence: what, where, what to do.
    public var description: String {
        "the HTTP server at \(address) ended (\(reason)): if another process listens there, set 'server.port' to "
            + "another port"
    }
}

extension NetworkAddress {
    /// The host as the system takes it: without the brackets of an IPv6 address.
    fileprivate var bindHost: String {
        host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    }
}
