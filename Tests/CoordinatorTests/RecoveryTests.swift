import Protocol
import Testing

@testable import Coordinator

@Suite struct RecoveryTests {
    typealias View = Recovery.View
    private static let deadlines = Recovery.Deadlines(
        joining: .seconds(50), connecting: .seconds(20), installing: .seconds(100),
        aborting: .seconds(10))
    private static let ready = View(state: .ready, isCurrent: true)
    private static let old = View(state: .ready, isCurrent: false)

    /// A recovery of three workers, of which rank 1 is lost and starts at 1 s.
    private static func begun(programs: Int = 2, launch: Duration? = .seconds(1)) -> Recovery {
        var recovery = Recovery(deadlines: deadlines, programCount: programs, now: .zero)
        recovery.lose(1, launch: launch, because: "w1 died", now: .zero)
        return recovery
    }

    private static func views(_ state: CoordinatorSession.State, _ rest: View = old) -> [View] {
        [rest, View(state: state, isCurrent: rest.isCurrent), rest]
    }

    @Test func aLostWorkerComesBackStepByStep() {
        var recovery = Self.begun()
        #expect(recovery.isLost(1) && recovery.isAway(1) && !recovery.isLost(0))
        #expect(recovery.advance(Self.views(.expecting), now: .milliseconds(999)).isEmpty)
        #expect(recovery.advance(Self.views(.expecting), now: .seconds(1)) == [.launch(1)])
        #expect(!recovery.isAway(1))
        #expect(recovery.advance(Self.views(.expecting), now: .seconds(2)).isEmpty)
        #expect(recovery.advance(Self.views(.joined), now: .seconds(2)) == [.assign(1)])
        #expect(recovery.advance(Self.views(.assigned), now: .seconds(2)).isEmpty)
        #expect(recovery.advance(Self.views(.bound), now: .seconds(3)) == [.connect])
        #expect(recovery.advance(Self.views(.connecting), now: .seconds(3)).isEmpty)
        // Ready, but in an older epoch, does not count.
        #expect(recovery.advance([Self.ready, Self.ready, Self.old], now: .seconds(3)).isEmpty)
        let all = [Self.ready, Self.ready, Self.ready]
        #expect(recovery.advance(all, now: .seconds(4)) == [.install(1, program: 0)])
        #expect(recovery.advance(all, now: .seconds(4)).isEmpty)
        recovery.installed(0)
        #expect(recovery.advance(all, now: .seconds(5)).isEmpty)
        recovery.installed(1)
        #expect(recovery.advance(all, now: .seconds(5)) == [.install(1, program: 1)])
        recovery.installed(1)
        #expect(recovery.advance(all, now: .seconds(6)) == [.finish])
    }

    @Test func withoutProgramsItEndsWithTheLinks() {
        var recovery = Self.begun(programs: 0)
        _ = recovery.advance(Self.views(.expecting), now: .seconds(1))
        _ = recovery.advance(Self.views(.bound), now: .seconds(1))
        #expect(recovery.advance([Self.ready, Self.ready, Self.ready], now: .seconds(1)) == [.finish])
    }

    @Test func aWorkerThatJoinsByItselfIsNotLaunched() {
        var recovery = Self.begun(launch: nil)
        #expect(!recovery.isAway(1))
        #expect(recovery.advance(Self.views(.expecting), now: .seconds(9)).isEmpty)
        #expect(recovery.advance(Self.views(.joined), now: .seconds(9)) == [.assign(1)])
    }

    /// Whatever stage a further loss comes in, all begins anew, and all that were lost install again.
    @Test(arguments: 0..<5)
    func aFurtherLossBeginsAnew(stage: Int) {
        var recovery = Self.begun()
        let all = [Self.ready, Self.ready, Self.ready]
        let before: [[View]] = [Self.views(.expecting), Self.views(.joined), Self.views(.bound), all]
        for views in before.prefix(stage) { _ = recovery.advance(views, now: .seconds(1)) }
        if stage > 3 { recovery.installed(1) }
        recovery.lose(2, launch: .seconds(2), because: "w2 died", now: .seconds(1))
        #expect(recovery.because == "w2 died" && recovery.isLost(1) && recovery.isAway(2))
        var steps: [Recovery.Step] = []
        let rejoining: [[View]] = [
            [Self.old, Self.old, View(state: .expecting, isCurrent: false)],
            [Self.old, Self.old, View(state: .joined, isCurrent: false)],
            [Self.old, Self.old, View(state: .bound, isCurrent: false)], all,
        ]
        for views in rejoining { steps += recovery.advance(views, now: .seconds(2)) }
        let launches: [Recovery.Step] = stage == 0 ? [.launch(1), .launch(2)] : [.launch(2)]
        let expected: [Recovery.Step] =
            launches + [.assign(2), .connect, .install(1, program: 0), .install(2, program: 0)]
        #expect(steps == expected)
    }

    @Test func theSameWorkerMayBeLostAgain() {
        var recovery = Self.begun()
        _ = recovery.advance(Self.views(.expecting), now: .seconds(1))
        _ = recovery.advance(Self.views(.joined), now: .seconds(1))
        recovery.lose(1, launch: .seconds(4), because: "again", now: .seconds(2))
        #expect(recovery.isAway(1))
        #expect(recovery.advance(Self.views(.expecting), now: .seconds(3)).isEmpty)
        #expect(recovery.advance(Self.views(.expecting), now: .seconds(4)) == [.launch(1)])
        #expect(recovery.advance(Self.views(.joined), now: .seconds(4)) == [.assign(1)])
    }

    @Test func everyStageHasADeadlineThatNamesWhoIsLate() {
        var recovery = Self.begun()
        _ = recovery.advance(Self.views(.expecting), now: .seconds(1))
        #expect(recovery.advance(Self.views(.assigned), now: .seconds(51)).isEmpty)
        #expect(
            recovery.advance(Self.views(.assigned), now: .seconds(52))
                == [.giveUp(late: [1], because: .late(doing: "coming back", after: .seconds(50)))])
        _ = recovery.advance(Self.views(.bound), now: .seconds(53))
        #expect(recovery.advance([Self.ready, Self.ready, Self.old], now: .seconds(73)).isEmpty)
        #expect(
            recovery.advance([Self.ready, Self.ready, Self.old], now: .seconds(74))
                == [.giveUp(late: [2], because: .late(doing: "connecting to its peers again", after: .seconds(20)))])
        let all = [Self.ready, Self.ready, Self.ready]
        #expect(recovery.advance(all, now: .seconds(80)) == [.install(1, program: 0)])
        #expect(recovery.advance(all, now: .seconds(180)).isEmpty)
        #expect(
            recovery.advance(all, now: .seconds(181))
                == [.giveUp(late: [1], because: .late(doing: "loading its weights again", after: .seconds(100)))])
    }

    /// Links are made when everybody has given up what they did; who does not is lost, too.
    @Test func whoDoesNotGiveUpIsLostToo() {
        var recovery = Self.begun(launch: nil)
        var views = Self.views(.joined)
        views[2].isCalling = true
        #expect(recovery.advance(views, now: .seconds(1)) == [.assign(1)])
        views[1].state = .bound
        #expect(recovery.advance(views, now: .seconds(10)).isEmpty)
        #expect(
            recovery.advance(views, now: .seconds(11)) == [.giveUp(late: [2], because: .hung(.seconds(10)))])
        views[2].isCalling = false
        #expect(recovery.advance(views, now: .seconds(11)) == [.connect])
    }

    /// A worker that still loads is not taken for one that hangs, though a call waits behind what it loads.
    @Test func whoLoadsHasTheTimeForIt() {
        var recovery = Self.begun(launch: nil)
        var views = Self.views(.bound)
        views[0].isInstalling = true
        views[0].isCalling = true
        #expect(recovery.advance(views, now: .seconds(100)).isEmpty)
        #expect(
            recovery.advance(views, now: .seconds(101))
                == [.giveUp(late: [0], because: .late(doing: "loading", after: .seconds(100)))])
        views[0].isInstalling = false
        views[0].isCalling = false
        #expect(recovery.advance(views, now: .seconds(101)) == [.connect])
    }

    @Test func restartsAreFewAndGetSlower() {
        var budget = RestartBudget(limit: 4, window: .seconds(60), delay: .seconds(1))
        #expect((0..<5).map { budget.take(.seconds($0)) } == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), nil])
        // The first has left the window.
        #expect(budget.take(.seconds(61)) == .seconds(8))
        var patient = RestartBudget(limit: 100, window: .seconds(60), delay: .seconds(1))
        for _ in 0..<50 { _ = patient.take(.zero) }
        #expect(patient.take(.zero) == RestartBudget.longestDelay)
        var none = RestartBudget(limit: 0, window: .seconds(60), delay: .seconds(1))
        #expect(none.take(.zero) == nil)
    }
}
