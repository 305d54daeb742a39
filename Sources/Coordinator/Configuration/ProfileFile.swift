import Foundation
public import Sharding

/// Why a profile could not be used.
public enum ProfileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It was read, but what it says cannot be.
    case invalid(path: String, reason: String)
    /// The system refused.
    case unreadable(path: String, reason: String)
    /// The system refused.
    case unwritable(path: String, reason: String)

    /// What, where, what to do.
    public var description: String {
        switch self {
        case .invalid(let path, let reason):
            "'\(path)' is not a machine profile: \(reason); make a new one with 'tessera calibrate'"
        case .unreadable(let path, let reason):
            "'\(path)' cannot be read: \(reason); make one with 'tessera calibrate'"
        case .unwritable(let path, let reason): "'\(path)' cannot be written: \(reason)"
        }
    }
}

/// Machine profiles as JSON: seconds, bytes a second and operations a second.
public enum ProfileFile {
    /// Largest file that is read, in bytes: a thousand workers' million links are more than anybody measures.
    public static let byteCountMax = 64 << 20
    private static let version = 1

    private struct Contents: Codable {
        var version: Int
        var workers: [Worker]
        var links: [Link]
    }

    private struct Worker: Codable {
        var name: String
        var cores: Int
        var products: [Product]
        var attentionFlopsPerSecond: Double
        var elementsPerSecond: Double
        var memoryBytesPerSecond: Double
        var instructionSeconds: Double
    }

    private struct Product: Codable {
        var dtype: String
        var rows: Int
        var depth: Int
        var columns: Int
        var flopsPerSecond: Double
    }

    private struct Link: Codable {
        var from: String
        var to: String
        var latencySeconds: Double
        var bytesPerSecond: Double
    }

    /// The JSON text of what was measured of a profile; assumed figures are left out.
    public static func encode(_ profile: MachineProfile) -> [UInt8] {
        let workers = profile.workers.filter { $0.origin == .measured }.map { worker in
            Worker(
                name: worker.name, cores: worker.cores,
                products: worker.matrixRates.map {
                    Product(
                        dtype: $0.precision.rawValue, rows: $0.rows, depth: $0.depth, columns: $0.columns,
                        flopsPerSecond: $0.rate)
                }, attentionFlopsPerSecond: worker.attentionRate, elementsPerSecond: worker.elementRate,
                memoryBytesPerSecond: worker.memoryBandwidth, instructionSeconds: worker.instructionSeconds)
        }
        var links: [Link] = []
        for from in profile.workers.indices {
            for to in profile.workers.indices where to != from && profile[from, to].origin == .measured {
                let link = profile[from, to]
                links.append(
                    Link(
                        from: profile.workers[from].name, to: profile.workers[to].name, latencySeconds: link.latency,
                        bytesPerSecond: link.bandwidth))
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(Contents(version: version, workers: workers, links: links)) else {
            preconditionFailure("finite numbers and texts can be encoded")
        }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    /// Writes a profile.
    public static func write(_ profile: MachineProfile, to path: String) throws(ProfileError) {
        do {
            try Data(encode(profile)).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw .unwritable(path: path, reason: (error as NSError).localizedDescription)
        }
    }

    /// Reads a profile.
    public static func read(_ path: String) throws(ProfileError) -> MachineProfile {
        switch BoundedFile.read(path, byteCountMax: byteCountMax) {
        case .success(let bytes): return try decode(bytes, path: path)
        case .failure(let failure): throw .unreadable(path: path, reason: failure.description)
        }
    }

    /// The profile that a JSON text describes; `path` is its name in messages.
    public static func decode(_ bytes: [UInt8], path: String) throws(ProfileError) -> MachineProfile {
        func wrong(_ reason: String) -> ProfileError { .invalid(path: path, reason: reason) }
        let contents: Contents
        do {
            contents = try JSONDecoder().decode(Contents.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw wrong(Self.reason(error))
        } catch {
            throw wrong("it is not JSON")
        }
        guard contents.version == version else { throw wrong("it has version \(contents.version), not \(version)") }
        guard (1...ClusterConfiguration.deviceCountMax).contains(contents.workers.count) else {
            throw wrong("it has \(contents.workers.count) workers")
        }
        guard Set(contents.workers.map(\.name)).count == contents.workers.count else {
            throw wrong("two workers have one name")
        }
        var workers: [MachineProfile.Worker] = []
        for worker in contents.workers { workers.append(try machine(worker, wrong)) }
        var profile = MachineProfile(workers: workers)
        let numbers = Dictionary(uniqueKeysWithValues: workers.enumerated().map { ($1.name, $0) })
        for link in contents.links {
            guard let from = numbers[link.from], let to = numbers[link.to], from != to else {
                throw wrong("a link from '\(link.from.prefix(40))' to '\(link.to.prefix(40))' joins no two workers")
            }
            guard (1e-9...60).contains(link.latencySeconds), (1...1e15).contains(link.bytesPerSecond) else {
                throw wrong("the link from '\(link.from)' to '\(link.to)' has impossible figures")
            }
            profile[from, to] = MachineProfile.Link(
                latency: link.latencySeconds, bandwidth: link.bytesPerSecond, origin: .measured)
        }
        return profile
    }

    private static func machine(
        _ worker: Worker, _ wrong: (String) -> ProfileError
    ) throws(ProfileError) -> MachineProfile.Worker {
        let rates = [worker.attentionFlopsPerSecond, worker.elementsPerSecond, worker.memoryBytesPerSecond]
        guard ConfigurationReader.isName(worker.name), (1...1024).contains(worker.cores),
            rates.allSatisfy({ (1...1e18).contains($0) }), (1e-12...1).contains(worker.instructionSeconds),
            (1...64).contains(worker.products.count)
        else { throw wrong("worker '\(worker.name.prefix(40))' has impossible figures") }
        var products: [MachineProfile.MatrixRate] = []
        for product in worker.products {
            guard let precision = MachineProfile.Precision(rawValue: product.dtype),
                [product.rows, product.depth, product.columns].allSatisfy({ (1...(1 << 30)).contains($0) }),
                (1...1e18).contains(product.flopsPerSecond)
            else { throw wrong("worker '\(worker.name)' has a product with impossible figures") }
            products.append(
                .init(
                    precision: precision, rows: product.rows, depth: product.depth, columns: product.columns,
                    rate: product.flopsPerSecond))
        }
        return MachineProfile.Worker(
            name: worker.name, origin: .measured, cores: worker.cores, matrixRates: products,
            attentionRate: worker.attentionFlopsPerSecond, elementRate: worker.elementsPerSecond,
            memoryBandwidth: worker.memoryBytesPerSecond, instructionSeconds: worker.instructionSeconds)
    }

    private static func reason(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
            return path.isEmpty ? "the top" : String(path.drop { $0 == "." })
        }
        return switch error {
        case .keyNotFound(let key, let context): "'\(key.stringValue)' is missing at \(place(context))"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "something of another kind belongs at \(place(context))"
        default: "it is not JSON"
        }
    }
}
