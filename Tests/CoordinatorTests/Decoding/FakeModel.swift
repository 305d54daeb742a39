import Coordinator
import Foundation
import Models
import Program
import Tensor

/// A model whose programs are signatures only.
struct FakeModel: ImageModel {
    var textLength = 8
    var pixelsPerToken = 16
    var sizeMultiple = 16
    var tokenLimit = 4096
    var codebookSize = 72
    var maskToken: Int32 = 79
    var defaults = GenerationDefaults(width: 128, height: 128)

    func encode(prompt: String) -> EncodedPrompt {
        let bytes = prompt.utf8.prefix(textLength).map { Int32($0) }
        return EncodedPrompt(
            ids: bytes + [Int32](repeating: 0, count: textLength - bytes.count), eosIndex: Int32(bytes.count) % 8,
            cutCount: max(0, prompt.utf8.count - textLength))
    }

    func program(_ role: ProgramRole, shape: GenerationShape) throws -> Program {
        let (b, g) = (shape.pictures, shape.isGuided ? 2 : 1)
        let grid = [b, shape.rows, shape.columns]
        let pixels = [b, shape.rows * pixelsPerToken, shape.columns * pixelsPerToken, 3]
        switch role {
        case .text:
            return signature(
                "text",
                [
                    ("ids", .i32, [g, b, textLength]), ("eosIndex", .i32, [g, b]),
                    ("microConditions", .f32, [g, b, 5]),
                ])
        case .step(let noise), .conditionalStep(let noise):
            var name = "step"
            var halves = g
            if case .conditionalStep = role { (name, halves) = ("conditionalStep", 1) }
            var inputs: [(String, DType, [Int])] = [
                ("tokens", .i32, grid), ("grid", .i32, [halves] + grid), ("scale", .f32, [b]),
                ("temperature", .f32, [b]), ("maskCount", .i32, [b]),
            ]
            switch noise {
            case .generated: inputs.append(("rng", .i32, [b, 4]))
            case .given: inputs += [("expNoise", .f32, grid + [codebookSize]), ("gumbel", .f32, grid)]
            case .none: break
            }
            return signature(name, inputs)
        case .decode: return signature("decode", [("tokens", .i32, grid)])
        case .encode: return signature("encode", [("image", .f32, pixels)])
        }
    }

    private func signature(_ name: String, _ inputs: [(String, DType, [Int])]) -> Program {
        var builder = ProgramBuilder(name: name, activation: .f32)
        for (name, dtype, dims) in inputs {
            _ = builder.input(name, TensorType(dtype, dims.map { Dim($0) }))
        }
        return builder.program
    }
}

/// Runs a ``FakeModel``'s programs with a function, and writes down what it was asked.
actor FakeRunner: ProgramRunner {
    struct Call: Sendable {
        var program: String
        var request: UInt64
        var slots: [UInt64]
        var inputs: [String: HostTensor]
    }

    private(set) var calls: [Call] = []
    private(set) var released: [UInt64] = []
    private(set) var installs = 0
    private(set) var uninstalls = 0
    private(set) var installsBeforeFirstCall = 0
    private var programs: [ProgramKey: String] = [:]
    private let body: @Sendable (Call, _ step: Int) async throws -> [String: HostTensor]
    /// What becomes of the devices after a failure.
    private let recovery: @Sendable (any Error) -> Bool

    init(
        recovery: @escaping @Sendable (any Error) -> Bool = { _ in false },
        _ body: @escaping @Sendable (Call, _ step: Int) async throws -> [String: HostTensor]
    ) {
        self.body = body
        self.recovery = recovery
    }

    /// A runner of a real model's programs, whose steps keep their tokens and whose pictures are black.
    static func black(pixelsPerToken pixels: Int) -> FakeRunner {
        struct Missing: Error {}
        return FakeRunner { call, _ in
            guard call.program != "text" else { return [:] }
            guard let first = call.inputs["tokens"] ?? call.inputs["image"] else { throw Missing() }
            switch call.program {
            case "step", "conditionalStep": return ["tokens": first, "sampled": first]
            case "decode":
                let dims = [first.dims[0], first.dims[1] * pixels, first.dims[2] * pixels, 3]
                let bytes = [UInt8](repeating: 0, count: dims.reduce(1, *))
                return ["pixels": HostTensor(dtype: .u8, dims: dims, bytes: bytes)]
            case "encode":
                let dims = [1, first.dims[1] / pixels, first.dims[2] / pixels]
                return ["tokens": HostTensor([Int32](repeating: 1, count: dims.reduce(1, *)), dims: dims)]
            default: throw Missing()
            }
        }
    }

    func recover(from error: any Error) async -> Bool { recovery(error) }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        programs.map { program in
            installs += 1
            let key = ProgramKey("\(program.name)-\(installs)")
            self.programs[key] = program.name
            return key
        }
    }

    func uninstall(_ keys: [ProgramKey]) async {
        for key in keys where programs.removeValue(forKey: key) != nil { uninstalls += 1 }
    }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let call = Call(program: programs[key] ?? "?", request: request, slots: slots, inputs: inputs)
        let step = calls.count { $0.program == "step" }
        if calls.isEmpty { installsBeforeFirstCall = installs }
        calls.append(call)
        return try await body(call, step)
    }

    func release(request: UInt64) async { released.append(request) }

    /// Inputs of all step calls.
    var steps: [[String: HostTensor]] { calls.filter { $0.program == "step" }.map(\.inputs) }
}

/// The sampling half of a step in plain Swift.
enum PlainSampling {
    /// Chooses tokens and hides the least confident again, as the `step` program does with given noise or none.
    ///
    /// - Parameter logits: guided, [B, Y, X, V].
    static func step(
        logits: [Float], inputs: [String: HostTensor], codebook: Int, maskToken: Int32
    ) -> (sampled: [Int32], next: [Int32]) {
        let tokens = inputs["tokens"]?.integers ?? []
        let noise = inputs["expNoise"]?.floats
        let gumbel = inputs["gumbel"]?.floats
        let counts = inputs["maskCount"]?.integers ?? []
        let temperatures = inputs["temperature"]?.floats ?? []
        var sampled = tokens
        var confidences = [Float](repeating: 0, count: tokens.count)
        let perPicture = tokens.count / counts.count
        for position in tokens.indices {
            var probability = Float.greatestFiniteMagnitude
            if tokens[position] == maskToken {
                let row = Array(logits[(position * codebook)..<((position + 1) * codebook)])
                let top = row.max() ?? 0
                let scores = row.enumerated().map { code, logit in
                    logit - (noise.map { Float(log(Double($0[position * codebook + code]))) } ?? 0)
                }
                let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
                sampled[position] = Int32(best)
                let sum = row.reduce(0) { $0 + exp(Double($1 - top)) }
                probability = Float(exp(Double(row[best] - top)) / sum)
            }
            let temperature = temperatures[position / perPicture]
            confidences[position] =
                Float(log(Double(max(probability, 1e-20)))) + temperature * (gumbel?[position] ?? 0)
        }
        var next = sampled
        for (picture, count) in counts.enumerated() where count >= 0 {
            let range = (picture * perPicture)..<((picture + 1) * perPicture)
            let cut = confidences[range].sorted()[Int(count)]
            for position in range where confidences[position] < cut { next[position] = maskToken }
        }
        return (sampled, next)
    }
}
