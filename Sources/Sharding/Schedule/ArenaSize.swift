import Program
import Tensor

/// The arena of a device that has the largest part of every buffer.
struct ArenaSize {
    private let partitioned: PartitionedProgram
    private let sizes: [Int]
    private let profile: MemoryProfile

    init(_ partitioned: PartitionedProgram) {
        self.partitioned = partitioned
        sizes = MemoryProfile.byteCounts(of: partitioned)
        profile = MemoryProfile(partitioned, itemCount: 0, fraction: 1)
    }

    /// Bytes of the arena for a schedule.
    func byteCount(of schedule: Schedule) -> Int {
        let fused = schedule.fused
        var plan = MemoryPlan()
        _ = plan.place(
            LocalProgramEmitter.lifetimes(partitioned, schedule).compactMap { lifetime in
                var lifetime = lifetime
                if lifetime.id < sizes.count {
                    lifetime.byteCount = sizes[lifetime.id]
                } else {
                    let index = lifetime.id - sizes.count
                    lifetime.byteCount = profile.staging([index] + (fused[index] ?? []))
                    if lifetime.byteCount == 0 { return nil }
                }
                return lifetime
            })
        return plan.byteCount
    }
}
