import Program
public import Sharding

extension PlannedRequest {
    /// Most devices whose times are predicted.
    public static let timedDeviceMax = 64

    /// The plan as a page for a browser.
    ///
    /// - Parameter choice: how the mesh was chosen, where the cluster file leaves it open.
    public func page(_ configuration: ClusterConfiguration, choice: MeshChoice? = nil) -> PlanPage {
        let profile = configuration.machineProfile
        let isTimed = configuration.mesh.deviceCount <= Self.timedDeviceMax
        return PlanPage(
            report: report, programs: programs, mesh: configuration.mesh,
            timelines: isTimed ? programs.map { .predict(locals: $0.compiled.locals, profile: profile) } : [],
            timelineBasis:
                profile.isMeasured
                ? "measured machines and links"
                : "assumed machines or links: not all was measured, so compare them with each other, not with a clock",
            choice: choice)
    }
}
