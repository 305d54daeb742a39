import CLinux
import Testing
import Transport

/// Where threads run.
struct IOThreadTests {
    @Test("the I/O thread follows the thread that it serves while messages are small, and is free while they are large")
    func follows() async {
        let failures = await withRanks(.zeroMQ, 2) { fabric in
            let fabric = try #require(fabric as? ZeroMQFabric)
            let peer = 1 - fabric.rank
            #expect(fabric.heldCore == nil)
            for (step, byteCount) in [(0, 1), (1, 64 << 10), (2, 1 << 20), (3, 5)] {
                let bytes = [UInt8](repeating: UInt8(step), count: byteCount)
                try fabric.send(bytes, to: peer, tag(step))
                #expect((fabric.heldCore != nil) == (byteCount <= 64 << 10), "\(byteCount) bytes")
                #expect(try fabric.receive(byteCount, from: peer, tag(step)) == bytes)
            }
            let count = clinux_cpu_count()
            fabric.letGoOfCore()
            #expect(fabric.heldCore == nil && clinux_cpu_count() >= count)
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test("threads are found by name and moved to cores that there are")
    func cores() async {
        let failures = await onThreads(1) { _ in
            #expect(clinux_name_thread("cores-test") == 0)
            let thread = clinux_find_thread("cores-test")
            #expect(thread > 0)
            #expect(clinux_find_thread("no such thread") < 0 && clinux_find_thread("") < 0)
            let count = clinux_cpu_count()
            for number in 0..<(2 * count) { #expect(clinux_move_thread(number) == 0) }
            #expect(clinux_cpu_count() == count, "it may run anywhere again")
            #expect(clinux_hold_thread() >= 0 && clinux_hold_thread() == clinux_current_cpu())
            #expect(clinux_cpu_count() == 1)
            clinux_release_thread()
            clinux_release_thread()
            #expect(clinux_cpu_count() == count)
            let cpu = clinux_current_cpu()
            #expect(clinux_bind_thread(thread, cpu) == 0)
            #expect(clinux_cpu_count() == 1 && clinux_current_cpu() == cpu)
            #expect(clinux_bind_thread(thread, 1 << 20) < 0 && clinux_move_thread(-1) < 0)
        }
        #expect(failures.isEmpty, "\(failures)")
    }
}
