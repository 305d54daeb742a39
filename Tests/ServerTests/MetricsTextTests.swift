import Testing

@testable import Server

/// Prometheus' text format, version 0.0.4.
@Suite struct MetricsTextTests {
    @Test func labelsAreEscaped() {
        let gauge = Metrics.Gauge(
            name: "tessera_x", help: "Help.", values: [(["name": "a \"b\"\\\n", "other": "c"], 1.5)])
        let text = Metrics().text(gauges: [gauge])
        #expect(text.contains(#"tessera_x{name="a \"b\"\\\n",other="c"} 1.5"# + "\n"), "\(text)")
        #expect(text.hasPrefix("# HELP tessera_x Help.\n# TYPE tessera_x gauge\n"))
    }

    @Test func bucketsAreCumulative() {
        let metrics = Metrics()
        for value in [0.2, 0.3, 7, 9000] { metrics.observe(.queueSeconds, value) }
        let lines = Set(metrics.text(gauges: []).split(separator: "\n").map(String.init))
        for line in [
            #"tessera_queue_duration_seconds_bucket{le="0.1"} 0"#,
            #"tessera_queue_duration_seconds_bucket{le="0.5"} 2"#,
            #"tessera_queue_duration_seconds_bucket{le="10"} 3"#,
            #"tessera_queue_duration_seconds_bucket{le="+Inf"} 4"#, "tessera_queue_duration_seconds_count 4",
            "tessera_queue_duration_seconds_sum 9007.5",
        ] { #expect(lines.contains(line), "\(line)") }
    }

    @Test func theProcessIsMeasured() {
        let gauges = Dictionary(
            ProcessMetrics.gauges.map { ($0.name, $0.values.first?.value ?? 0) }, uniquingKeysWith: { $1 })
        #expect((gauges["process_resident_memory_bytes"] ?? 0) > 1e6)
        #expect((gauges["process_open_fds"] ?? 0) >= 3)
        // Between 2020 and 2100.
        #expect((1_577_836_800.0...4_102_444_800.0).contains(gauges["process_start_time_seconds"] ?? 0))
        #expect(gauges["process_cpu_seconds_total"] != nil)
    }
}
