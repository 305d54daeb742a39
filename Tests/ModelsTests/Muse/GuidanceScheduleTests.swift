import Models
import Testing

@Suite("Guidance schedules")
struct GuidanceScheduleTests {
    @Test("guidance is the same at every step, or rises from none to all of it")
    func scales() {
        #expect(GuidanceSchedule.constant.scales(4, stepCount: 3) == [4, 4, 4])
        #expect(GuidanceSchedule.linear.scales(4, stepCount: 4) == [1, 2, 3, 4])
        #expect(GuidanceSchedule.linear.scales(4, stepCount: 1) == [4])
        #expect(GuidanceSchedule.linear.scales(1, stepCount: 3) == [1, 1, 1])
        #expect(GuidanceSchedule.linear.scales(0.5, stepCount: 2) == [0.5, 0.5])
    }
}
