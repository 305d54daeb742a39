import Coordinator
import Foundation
import Tensor
import Testing

@testable import Server

/// What every store of jobs does.
@Suite(.timeLimit(.minutes(10))) struct JobStoreTests {
    enum Kind: CaseIterable {
        case database
        case memory
    }

    private let drawer: Drawer

    init() throws { drawer = try Drawer() }

    private func store(_ kind: Kind) throws -> any JobStore {
        kind == .memory ? MemoryJobStore() : try DatabaseJobStore(path: drawer.path("jobs.sqlite"))
    }

    static func job(_ name: Int, owner: String = "a", key: String? = nil) -> Job {
        let digits = String(name, radix: 16)
        return Job(
            id: "job_" + String(repeating: "0", count: 32 - digits.count) + digits, owner: owner, kind: .edit,
            model: "demo", created: Double(name),
            order: StoredOrder(PictureOrder(GenerationRequest(prompt: "p\(name)", seed: .max), previewCount: 2)),
            idempotency: key.map { .init(key: $0, digest: "d") })
    }

    static func outcome(_ names: [String], byteCount: Int = 3) -> Job.Outcome {
        Job.Outcome(
            pictures: names.map { .init(id: $0, byteCount: byteCount, hash: "h" + $0) }, width: 4, height: 5,
            textTokens: 1, imageTokens: 2, paintedTokens: 3, warnings: ["w"])
    }

    @Test(arguments: Kind.allCases)
    func aJobGoesThroughItsStates(kind: Kind) async throws {
        let store = try store(kind)
        let job = Self.job(1)
        try await store.insert(job, input: StoredOrder.Input(image: [1, 2], mask: [3]), files: [])
        #expect(try await store.job(job.id) == job)
        #expect(try await store.input(of: job.id) == StoredOrder.Input(image: [1, 2], mask: [3]))
        #expect(try await store.apply(.begun(at: 10), to: job.id, files: []))
        #expect(try await store.job(job.id)?.state == .generating)
        #expect(try await store.apply(.returned(countsAttempt: true), to: job.id, files: []))
        #expect(try await store.apply(.begun(at: 11), to: job.id, files: []))
        #expect(try await store.job(job.id)?.attempts == 2)
        #expect(try await store.unfinished().map(\.id) == [job.id])
        let outcome = Self.outcome(["x", "y"])
        #expect(try await store.apply(.completed(outcome, at: 12), to: job.id, files: [[7, 7, 7], [8, 8, 8]]))
        let done = try #require(try await store.job(job.id))
        #expect(done.state == .completed && done.outcome == outcome && done.started == 11 && done.finished == 12)
        #expect(try await store.file("y", since: 12) == KeptFile(bytes: [8, 8, 8], hash: "hy", finished: 12))
        #expect(try await store.file("y", since: 12.5) == nil)
        #expect(try await store.file("z", since: 0) == nil)
        #expect(try await store.input(of: job.id) == nil)
        #expect(try await store.unfinished().isEmpty)
        // What is over stays as it is.
        let changes: [Job.Change] = [
            .begun(at: 1), .cancelled(at: 1), .returned(countsAttempt: false), .completed(outcome, at: 1),
        ]
        for change in changes {
            #expect(try await !store.apply(change, to: job.id, files: [[0], [0]]))
        }
        #expect(try await store.job(job.id) == done)
        #expect(try await store.file("x", since: 0)?.bytes == [7, 7, 7])
        try await store.remove(job.id)
        #expect(try await store.job(job.id) == nil)
        #expect(try await store.file("x", since: 0) == nil)
        #expect(try await !store.apply(.begun(at: 1), to: job.id, files: []))
    }

    @Test(arguments: Kind.allCases)
    func aKeyStandsForOneJobOfItsOwner(kind: Kind) async throws {
        let store = try store(kind)
        let first = Self.job(1, key: "k")
        try await store.insert(first, input: nil, files: [])
        await #expect(throws: JobStoreError.taken) {
            try await store.insert(Self.job(2, key: "k"), input: nil, files: [])
        }
        try await store.insert(Self.job(3, owner: "b", key: "k"), input: nil, files: [])
        try await store.insert(Self.job(4), input: nil, files: [])
        try await store.insert(Self.job(5), input: nil, files: [])
        #expect(try await store.job(owner: "a", key: "k") == first)
        #expect(try await store.job(owner: "c", key: "k") == nil)
    }

    @Test(arguments: Kind.allCases)
    func listsGoFromNewToOld(kind: Kind) async throws {
        let store = try store(kind)
        for name in 1...5 { try await store.insert(Self.job(name), input: nil, files: []) }
        try await store.insert(Self.job(6, owner: "b"), input: nil, files: [])
        let all = try await store.jobs(owner: "a", limit: 10, after: nil)
        #expect(all.map(\.created) == [5, 4, 3, 2, 1])
        #expect(try await store.jobs(owner: "a", limit: 2, after: all[1].id).map(\.created) == [3, 2])
        #expect(try await store.jobs(owner: "a", limit: 2, after: Self.job(6).id).isEmpty)
        #expect(try await store.jobs(owner: "c", limit: 2, after: nil).isEmpty)
        #expect(try await store.unfinished().map(\.created) == [1, 2, 3, 4, 5, 6])
    }

    @Test(arguments: Kind.allCases)
    func theOldestPicturesMakeRoom(kind: Kind) async throws {
        let store = try store(kind)
        for name in 1...4 {
            try await store.insert(Self.job(name), input: nil, files: [])
            let outcome = Self.outcome(["\(name)a", "\(name)b"], byteCount: 10)
            let files = [[UInt8]](repeating: [UInt8](repeating: 1, count: 10), count: 2)
            _ = try await store.apply(.completed(outcome, at: Double(name * 100)), to: Self.job(name).id, files: files)
        }
        try await store.insert(Self.job(9), input: nil, files: [])
        func kept() async throws -> [String] {
            var names: [String] = []
            for name in 1...4 {
                for letter in ["a", "b"] where try await store.file("\(name)\(letter)", since: 0) != nil {
                    names.append("\(name)\(letter)")
                }
            }
            return names
        }
        try await store.prune(before: 150, byteCount: 1000)
        #expect(try await kept() == ["2a", "2b", "3a", "3b", "4a", "4b"])
        #expect(try await store.job(Self.job(1).id) == nil)
        try await store.prune(before: 150, byteCount: 30)
        #expect(try await kept() == ["3b", "4a", "4b"])
        // The records stay for their time; jobs that are not over stay in any case.
        #expect(try await store.job(Self.job(2).id) != nil)
        try await store.prune(before: 1e9, byteCount: 30)
        #expect(try await store.jobs(owner: "a", limit: 10, after: nil).map(\.created) == [9])
    }

    @Test func anOrderComesBackAsItWas() throws {
        var request = GenerationRequest(prompts: ["ä", "b"], seed: .max)
        (request.negativePrompt, request.picturesPerPrompt, request.width, request.height) = ("n", 3, 64, 32)
        (request.steps, request.guidanceScale) = (7, 1.1)
        request.temperature = TemperatureRange(from: 0.3, to: 0.1)
        request.microConditioning = .init(cropTop: 1, cropLeft: 2, aestheticScore: 5.5)
        let image = HostTensor(dtype: .u8, dims: [2, 3, 3], bytes: (0..<18).map { UInt8($0 * 13) })
        let mask = HostTensor(dtype: .u8, dims: [2, 3], bytes: [0, 255, 0, 255, 255, 7])
        let editings: [GenerationRequest.Editing?] = [
            nil, .variation(image: image, strength: 0.3), .inpainting(image: image, mask: mask, strength: 0.1),
        ]
        for editing in editings {
            request.editing = editing
            let order = PictureOrder(request, previewCount: 2)
            let json = try JSONEncoder().encode(StoredOrder(order))
            let stored = try JSONDecoder().decode(StoredOrder.self, from: json)
            #expect(try stored.order(StoredOrder.input(of: order)) == order)
        }
        request.editing = editings[1]
        #expect(throws: PictureError.unknownFormat) { try StoredOrder(PictureOrder(request)).order(nil) }
    }

    @Test func namesAreLongAndPlain() {
        let names = Set((0..<100).map { _ in Job.freshID("job_") })
        #expect(names.count == 100 && names.allSatisfy { Job.isID($0, prefix: "job_") })
        for wrong in ["", "job_", "job_" + String(repeating: "G", count: 32), String(repeating: "a", count: 36)] {
            #expect(!Job.isID(wrong, prefix: "job_"))
        }
    }
}
