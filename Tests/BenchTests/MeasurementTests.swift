import Bench
import Coordinator
import Program
import Runtime
import Synchronization
import Tensor
import Testing

/// Measurements run on real workers and add up; how fast anything is is not tested.
@Suite(.serialized, .timeLimit(.minutes(10))) struct MeasurementTests {
    @Test func productsAreHeldAgainstArithmeticAndMemory() async throws {
        let said = Mutex<[String]>([])
        let bench = KernelBench(workers: TestWorkers(), runs: 2) { text in said.withLock { $0.append(text) } }
        let cases = [
            ProductCase(.bf16, rows: 64, depth: 1024, columns: 1024),
            ProductCase(.int8, rows: 64, depth: 1024, columns: 1024),
            ProductCase(.f32, rows: 64, depth: 1024, columns: 1024),
        ]
        let figures = try await bench.products(cases, threads: [1])
        #expect(figures.map(\.subject) == cases.map(\.description))
        for (figure, product) in zip(figures, cases) {
            #expect(figure.seconds.runs == 2 && figure.threads == 1 && figure.workers == 1)
            #expect(abs(figure.value * figure.seconds.best / Double(product.operations) - 1) < 1e-9)
            #expect((figure.limit?.value ?? 0) > 1e7)
            #expect(figure.unit == (product.arithmetic == .int8 ? "OP/s" : "FLOP/s"))
        }
        let rows = try await bench.rows([ProductCase(.bf16, rows: 1, depth: 1024, columns: 1024)], threads: [2])
        #expect(rows.count == 1 && rows[0].unit == "B/s" && rows[0].threads == 2)
        #expect(abs(rows[0].value * rows[0].seconds.best / Double(2 << 20) - 1) < 1e-9)
        #expect((rows[0].details["ofMemoryReads"] ?? 0) > 0 && (rows[0].details["ofArithmetic"] ?? 0) > 0)
        // So many operations a byte that no memory is too slow for them.
        let many = await Limits.weights(.bf16, operationsPerByte: 1e6, threads: 1)
        let few = await Limits.weights(.bf16, operationsPerByte: 1e-6, threads: 1)
        #expect(many?.name.contains("registers") == true && few?.name.contains("memory") == true)
        #expect(said.withLock { $0.count } == 4)
    }

    @Test func otherKernelsHaveFigures() async throws {
        let bench = KernelBench(workers: TestWorkers(), runs: 1)
        let attention = try await bench.attention(
            [AttentionCase(.bf16, queries: 64, keys: 32, heads: 4, headSize: 32)], threads: [1])
        #expect(attention.first?.subject == "bf16 64 x 32, 4 heads of 32")
        let pointwise = try await bench.pointwise(rows: 512, columns: 1024, threads: [1])
        #expect(pointwise.count == 3 && pointwise.allSatisfy { $0.value > 0 && $0.unit == "B/s" })
    }

    @Test(arguments: [2, 3]) func collectivesHaveFigures(count: Int) async throws {
        let bench = CollectiveBench(workers: TestWorkers(), runs: 2)
        let figures = try await bench.figures(
            CollectivePrograms.Kind.allCases, payloads: [8 << 10, 256 << 10], group: WorkerGroup(count: count))
        #expect(figures.count == 6)
        for figure in figures {
            #expect(figure.workers == count)
            #expect(figure.seconds.best > 0 && figure.seconds.best <= figure.seconds.median)
            // Two calls of several collectives each.
            #expect(figure.seconds.runs >= 12)
            #expect((figure.details["sentBytesPerWorker"] ?? 0) > 0)
        }
        #expect(figures[0].subject == "all-reduce of 8 KiB")
    }

    /// The programs of a kind have as many collectives as asked for, with the bytes that they need.
    @Test(arguments: CollectivePrograms.Kind.allCases, [2, 4])
    func programsHoldTheCollective(kind: CollectivePrograms.Kind, workers: Int) {
        let elements = 1 << 18
        for local in CollectivePrograms.locals(kind, elements: elements, count: 3, workers: workers) {
            #expect(Set(local.exchanges.map(\.scope)) == ["0", "1", "2"])
            let sent = local.exchanges.reduce(0) { $0 + $1.sentByteCount(dtype: local.buffers[$1.source].dtype) }
            // f32 partial sums of all parts but the own one; bf16 results of the own part to all others.
            let partials = 4 * elements / workers * (workers - 1)
            let results = 2 * elements / workers * (workers - 1)
            let expected = kind == .allReduce ? partials + results : kind == .allGather ? results : partials
            #expect(sent == 3 * expected)
            #expect(local.instructions.count == 2 * local.exchanges.count)
        }
    }

    @Test func fewBytesAreSummedInOneRound() {
        let locals = CollectivePrograms.locals(.allReduce, elements: 64, count: 2, workers: 2)
        #expect(locals.allSatisfy { $0.exchanges.count == 2 })
        #expect(locals[0].exchanges[0].sentByteCount(dtype: .f32) == 4 * 64)
    }
}
