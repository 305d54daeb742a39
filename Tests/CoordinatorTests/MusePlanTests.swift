import Coordinator
import Models
import Sharding
import Testing

/// The plan of the 3 B model against arithmetic by hand.
@Suite struct MusePlanTests {
    private static let (rows, width, inner, layers, textLength) = (512, 2048, 8192, 48, 128)

    private static func plan(_ mesh: String, workers: Int, _ more: String = "") throws -> PlanReport {
        try ClusterConfiguration.parse(
            "{model: {preset: muse-3b}, mesh: {\(mesh)}, workers: {count: \(workers)}\(more)}"
        ).plan()
    }

    private static func sublayers(_ program: PlanReport.ProgramPlan) -> [PlanReport.Collective] {
        program.collectives.filter { $0.scope.contains("transformer.layers") }
    }

    /// 512 rows of 2048 after each of 144 sublayers: partial sums in f32 are scattered, results in bf16 gathered, and of
    /// either a worker has a quarter already.
    @Test func tensorParallelism() throws {
        let report = try Self.plan("model: 4", workers: 4, ", overlap: messages")
        #expect(report.programs.map(\.name) == ["text", "conditionalStep", "step", "decode"])
        let sent = 3 * Self.rows * Self.width * (4 + 2)
        let sublayers = Self.sublayers(report.programs[2])
        #expect(sublayers.count == 3 * Self.layers)
        #expect(sublayers.allSatisfy { $0.kind == "allReduce" && $0.bytes == sent })
        // Half the rows, half the bytes.
        let half = Self.sublayers(report.programs[1])
        #expect(half.count == 3 * Self.layers)
        #expect(half.allSatisfy { $0.bytes == sent / 2 })
        // In blocks every exchange is cut, and the bytes are the same.
        let blocks = Self.sublayers(try Self.plan("model: 4", workers: 4).programs[2])
        #expect(blocks.count > 3 * Self.layers)
        #expect(blocks.reduce(0) { $0 + $1.bytes } == 3 * Self.layers * sent)
        // Keys and values of all layers: two halves, a quarter of the width, bf16.
        let kept: Int = Self.layers * 2 * 2 * Self.textLength * (Self.width / 4) * 2
        #expect(report.workers.allSatisfy { $0.residentBytes == kept })
    }

    /// Six square matrices and an MLP of two a layer; keys and values of the text are no part of a step.
    @Test func work() throws {
        let report = try Self.plan("model: 4", workers: 4)
        let square: Int = Self.width * Self.width
        let layer: Int = 6 * square + 2 * Self.width * Self.inner
        // The head's hidden layer is computed by every worker.
        let head: Int = 4 * square + Self.width * 8192
        let products: Int = 2 * Self.rows * (Self.layers * layer + head)
        let attention: Int = 4 * Self.rows * Self.width * Self.layers * (256 + Self.textLength)
        let expected = Double(products + attention)
        let planned = Double(report.programs[2].flops.reduce(0, +))
        #expect(planned > 0.99 * expected)
        #expect(planned < 1.02 * expected)
    }

    /// The halves of guidance meet in the logits, and the text's part is sent once to the other half.
    @Test func guidanceParallelism() throws {
        let report = try Self.plan("guidance: 2", workers: 2)
        let step = try #require(report.programs.first { $0.name == "step" })
        #expect(Self.sublayers(step).isEmpty)
        let conditional = try #require(report.programs.first { $0.name == "conditionalStep" })
        let half: Int = Self.layers * 2 * Self.textLength * Self.width * 2
        #expect(conditional.sentBytes.reduce(0, +) >= half)
        let constant = try Self.plan("guidance: 2", workers: 2, ", generation: {guidance_schedule: constant}")
        #expect(constant.programs.map(\.name) == ["text", "step", "decode"])
    }
}
