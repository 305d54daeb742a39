import Program
public import Sharding

extension PlannedRequest {
    /// Most devices whose times are predicted.
    private static let timedDeviceMax = 64

    /// The plan as a page for a browser.
    public func page(_ configuration: ClusterConfiguration) -> PlanPage {
        let workers = configuration.workers.map {
            MachineProfile.Worker.assumed(name: $0.name, cores: $0.threads ?? 1, speed: $0.speed)
        }
        let profile = MachineProfile(workers: workers)
        let isTimed = configuration.mesh.deviceCount <= Self.timedDeviceMax
        return PlanPage(
            report: report, programs: programs, mesh: configuration.mesh,
            timelines: isTimed ? programs.map { .predict(locals: $0.compiled.locals, profile: profile) } : [],
            timelineBasis:
                "assumed machines: nothing was measured, so compare them with each other, not with a clock")
    }
}
