import Bench
import Foundation
import Testing

/// Reports read the same to people and programs.
@Suite struct BenchReportTests {
    private var report: BenchReport {
        var report = BenchReport(benchmark: "matmul", version: "0.1.0", instructionSet: "amx", cores: 2)
        report.figures = [
            BenchReport.Figure(
                subject: "bf16 512 x 2048 x 8192", threads: 2, value: 3e12, unit: "FLOP/s",
                seconds: .init([0.003, 0.002, 0.004]), limit: .init(name: "AMX-BF16 on registers", value: 4e12),
                details: ["weightBytesPerSecond": 1e9]),
            BenchReport.Figure(
                subject: "tiny, picture", workers: 2, threads: 1, value: 1e9, unit: "FLOP/s", seconds: .init([2]),
                split: [
                    .init(worker: "a", compute: 1, wait: 0.25, transfer: 0.5, other: 0.125, idle: 0.125, sentBytes: 99)
                ]),
        ]
        report.notes = ["quiet"]
        return report
    }

    /// The keys that docs/performance.md promises.
    @Test func theDocumentHasTheDescribedKeys() throws {
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(try report.json.utf8)) as? [String: Any])
        #expect(
            Set(object.keys) == [
                "schema", "benchmark", "version", "instructionSet", "cores", "figures", "notes",
            ])
        #expect(object["schema"] as? Int == BenchReport.currentSchema)
        let figures = try #require(object["figures"] as? [[String: Any]])
        #expect(figures.count == 2)
        #expect(
            Set(figures[0].keys) == [
                "subject", "workers", "threads", "value", "unit", "seconds", "limit", "ratio", "details",
            ])
        #expect(
            Set(figures[1].keys) == ["subject", "workers", "threads", "value", "unit", "seconds", "details", "split"])
        #expect(figures[0]["ratio"] as? Double == 0.75)
        let seconds = try #require(figures[0]["seconds"] as? [String: Any])
        #expect(Set(seconds.keys) == ["runs", "best", "median", "worst"])
        #expect(seconds["runs"] as? Int == 3 && seconds["best"] as? Double == 0.002)
        let split = try #require((figures[1]["split"] as? [[String: Any]])?.first)
        #expect(Set(split.keys) == ["worker", "compute", "wait", "transfer", "other", "idle", "sentBytes"])
    }

    @Test func theDocumentComesBackAsItWas() throws {
        #expect(try JSONDecoder().decode(BenchReport.self, from: Data(report.json.utf8)) == report)
    }

    @Test func theTableSaysFigureLimitAndRatio() {
        let lines = report.text.split(separator: "\n").map(String.init)
        #expect(lines[0] == "matmul at amx, 2 cores")
        #expect(lines[2].hasPrefix("bf16 512 x 2048 x 8192"))
        for part in ["2.00 ms", "3.00 TFLOP/s", "4.00 TFLOP/s", "75 %", "3, 100 %"] {
            #expect(lines[2].contains(part), "\(lines[2])")
        }
        #expect(report.text.contains("compute 1.00 s (50 %), wait 250.00 ms (12 %)"))
        #expect(report.text.contains("limit: AMX-BF16 on registers"))
        #expect(lines.last == "note: quiet")
    }

    @Test func secondsAreThoseOfTheRuns() {
        let seconds = BenchReport.Seconds([3, 1, 2, 5])
        #expect(seconds.best == 1 && seconds.median == 3 && seconds.worst == 5 && seconds.runs == 4)
        #expect(seconds.spread == 4)
    }
}

/// Layouts are written as the help says.
@Suite struct BenchLayoutTests {
    @Test(arguments: ["1x2", "2x1@model=2", "4x3@guidance=2,model=2", "6x1@data=3,guidance=2"])
    func comesBackAsItWasWritten(text: String) throws {
        #expect(try BenchLayout(text).description == text)
    }

    @Test(arguments: [
        "", "2", "x", "0x1", "1x0", "-1x1", "1x1x1", "2x1", "2x1@model=3", "2x1@model", "2x1@=2", "2x1@model=2,",
        "4x1@model=2,model=2", "2x1@mo del=2", "99999999999999999999x1", "2x1@model: 2}=2",
    ])
    func refuses(text: String) {
        #expect(throws: BenchError.self) { try BenchLayout(text) }
    }
}
