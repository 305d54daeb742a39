import Testing
import Transport

/// Addresses of this machine, as its routes say.
@Suite struct LocalAddressTests {
    @Test func theWayToThisMachineIsItsOwn() throws {
        #expect(try LocalAddress.facing("tcp://127.0.0.1:29600") == "127.0.0.1")
        #expect(try LocalAddress.facing("localhost") == "127.0.0.1")
        #expect(!LocalAddress.hostName.isEmpty)
    }

    @Test(arguments: ["", "tcp://", "a host", "no-such-host.invalid"])
    func whatIsNoHostIsAnError(host: String) {
        #expect(throws: TransportError.self) { _ = try LocalAddress.facing(host) }
    }

    @Test func hostsAreReplaced() throws {
        #expect(try LocalAddress.replacingHost(of: "tcp://0.0.0.0:29600", with: "head") == "tcp://head:29600")
        #expect(LocalAddress.isWildcard("tcp://0.0.0.0:1") && LocalAddress.isWildcard("*"))
        #expect(!LocalAddress.isWildcard("tcp://10.0.0.1:1"))
    }
}
