import Coordinator
import Foundation
import Models
import Testing

@Suite struct MaskScheduleTests {
    struct Cases: Decodable {
        struct Count: Decodable {
            var schedule: String
            var steps: Int
            var seq_len: Int
            var masked_after_step: [Int]
        }
        var mask_counts: [Count]
        var temperatures: [String: [Float]]
    }

    @Test("there are recorded results to compare with")
    func fixtures() {
        #expect(!Fixture.all.isEmpty)
    }

    @Test("the hidden counts are the reference scheduler's, for every recorded setting", arguments: Fixture.all)
    func counts(fixture: Fixture) throws {
        let cases = try fixture.json(Cases.self, "schedule_cases.json")
        #expect(cases.mask_counts.count == 126)
        for item in cases.mask_counts {
            let schedule = try #require(MaskSchedule(rawValue: item.schedule))
            var hidden = item.seq_len
            let counts = (0..<item.steps).map { step in
                let count = schedule.maskCount(
                    after: step, of: item.steps, tokenCount: item.seq_len, hiddenCount: hidden)
                hidden = max(0, count)
                return hidden
            }
            #expect(counts == item.masked_after_step, "\(item.schedule) \(item.steps) \(item.seq_len)")
        }
    }

    @Test("the temperatures are the reference scheduler's, bit for bit", arguments: Fixture.all)
    func temperatures(fixture: Fixture) throws {
        let cases = try fixture.json(Cases.self, "schedule_cases.json")
        let ranges = [
            "default": TemperatureRange(from: 2, to: 0), "ramp": TemperatureRange(from: 1.5, to: 0.25),
            "scalar 1": TemperatureRange(1), "scalar 0.7": TemperatureRange(0.7),
        ]
        #expect(cases.temperatures.count == 16)
        for (label, expected) in cases.temperatures {
            let range = try #require(ranges[label.components(separatedBy: " / ")[0]])
            #expect(range.values(stepCount: expected.count) == expected, "\(label)")
        }
    }

    @Test("a mask's share scales the counts, and known tokens bound them")
    func bounds() {
        #expect(MaskSchedule.linear.ratio(after: -1, of: 5) == 1)
        #expect(MaskSchedule.cosine.ratio(after: -1, of: 5) == 1)
        // 1 - 0.8 is a little less than 0.2 in single precision.
        #expect(MaskSchedule.linear.maskCount(after: 3, of: 5, tokenCount: 25, hiddenCount: 25) == 4)
        #expect(MaskSchedule.linear.maskCount(after: 0, of: 2, tokenCount: 64, hiddenCount: 32, startRatio: 0.5) == 16)
        #expect(MaskSchedule.linear.maskCount(after: 0, of: 2, tokenCount: 64, hiddenCount: 3, startRatio: 0.5) == 2)
        #expect(MaskSchedule.linear.maskCount(after: 0, of: 2, tokenCount: 64, hiddenCount: 0) == 1)
        #expect(MaskSchedule.linear.maskCount(after: 1, of: 2, tokenCount: 64, hiddenCount: 9) == -1)
    }
}
