import Models
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    private func digest(_ parts: [[UInt8]]) -> String {
        var hash = SHA256()
        for part in parts { hash.update(part) }
        return hash.hexadecimal()
    }

    @Test("agrees with the standard's examples")
    func examples() {
        #expect(digest([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(digest([Array("abc".utf8)]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
        #expect(digest([Array(two.utf8)]) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    @Test("does not depend on how the message is cut", arguments: [1, 55, 56, 63, 64, 65, 130])
    func cuts(size: Int) {
        let message = (0..<300).map { UInt8($0 % 251) }
        let parts = stride(from: 0, to: message.count, by: size).map { Array(message[$0..<min(300, $0 + size)]) }
        #expect(digest(parts) == digest([message]))
    }
}
