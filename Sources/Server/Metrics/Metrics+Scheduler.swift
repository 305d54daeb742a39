public import Coordinator

extension Metrics {
    /// Counts a call of the scheduler.
    public func record(_ report: SchedulerReport) {
        count(.calls, ["activity": report.activity.rawValue, "result": report.isDone ? "ok" : "error"])
        guard report.activity == .step, report.isDone else { return }
        observe(.stepSeconds, report.seconds)
        observe(.batchSize, Double(report.pictures))
        count(.steps, by: report.pictures)
    }
}
