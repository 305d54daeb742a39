public import Sharding

/// What a cluster would do for one request: its programs, with all that the compiler found, and the report on them.
public struct PlannedRequest: Sendable {
    /// In the order in which they run.
    public var programs: [PlannedProgram]
    /// The report.
    public var report: PlanReport
}
