import Program
import Sharding
import Testing

@Suite("Choice of a mesh")
struct MeshSearchTests {
    private func choose(
        _ model: SyntheticModel, _ profile: MachineProfile, pictures: Int = 1,
        objective: MeshSearch.Objective = .latency, memory: [Int?] = []
    ) throws -> MeshChoice {
        let search = MeshSearch(
            profile: profile, memoryLimits: memory, objective: objective, rules: usualRules)
        return try search.run(model.workload(pictures: pictures))
    }

    private func sizes(_ outcome: MeshChoice.Outcome) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: outcome.axes.map { ($0.name, $0.size) })
    }

    @Test("On gigabit Ethernet guidance comes before tensor parallelism, which makes Muse slower")
    func slowLinks() throws {
        let choice = try choose(.muse, .uniform(2, link: .gigabit))
        #expect(sizes(choice.best) == ["guidance": 2])
        let tensor = try #require(choice.rivals.first { $0.title == "model 2" }?.secondsPerPicture)
        let single = try #require(choice.rivals.first { $0.title == "1 device" }?.secondsPerPicture)
        #expect(tensor > single)
        #expect(single / choice.best.secondsPerPicture > 1.8)
        #expect(!choice.text().contains("assumed"))
    }

    @Test("With a picture for every worker data comes first")
    func throughput() throws {
        let choice = try choose(.muse, .uniform(4, link: .gigabit), pictures: 4, objective: .throughput)
        #expect(sizes(choice.best) == ["data": 4])
        #expect(choice.best.numbers.count == 4)
    }

    @Test("Meshes are compared by the picture, each with a batch that its data axis divides")
    func batches() throws {
        let search = MeshSearch(
            profile: .uniform(3, link: .gigabit), objective: .throughput,
            axes: SearchAxis.standard.filter { $0.name == "data" }, rules: usualRules)
        let choice = try search.run(pictures: 3) { SyntheticModel.muse.workload(pictures: $0) }
        #expect(sizes(choice.best) == ["data": 3])
        #expect(choice.best.pictures == 3)
        let single = try #require(choice.rivals.first { $0.title == "1 device" }?.secondsPerPicture)
        let two = try #require(choice.rivals.first { $0.title == "data 2" }?.secondsPerPicture)
        #expect((1.95...2.05).contains(single / two))
    }

    @Test("Without guidance and tokens to split, slow links leave workers idle, and the choice says so")
    func fewerWorkers() throws {
        var model = SyntheticModel.muse
        model.guidanceRows = 1
        let search = MeshSearch(
            profile: .uniform(4, link: .gigabit), axes: SearchAxis.standard.filter { $0.name != "tokens" },
            rules: usualRules)
        let choice = try search.run(model.workload(pictures: 1))
        #expect(choice.best.numbers == [0])
        #expect(choice.text().contains("1 of 4 workers are used"))
        #expect(choice.text().contains("more workers make it slower"))
    }

    @Test("On fast links tensor parallelism wins the latency of one token of a large model")
    func fastLinks() throws {
        let choice = try choose(.parti, .uniform(4, link: .fast))
        #expect(sizes(choice.best)["model"] ?? 1 >= 2)
        #expect(choice.best.numbers.count == 4)
        let single = try #require(choice.rivals.first { $0.title == "1 device" }?.secondsPerPicture)
        #expect(single / choice.best.secondsPerPicture > 2)
    }

    @Test("On fast links tensor parallelism helps a large model with many rows too")
    func fastLinksManyRows() throws {
        let search = MeshSearch(
            profile: .uniform(8, link: .fast), axes: SearchAxis.standard.filter { $0.name != "tokens" },
            rules: usualRules)
        let choice = try search.run(SyntheticModel.muse.workload(pictures: 1))
        #expect(sizes(choice.best) == ["guidance": 2, "model": 4])
    }

    @Test("Small reductions go in one round, large ones in two")
    func oneShot() throws {
        // 10 Gbit/s with the round trips of a kernel's TCP.
        let profile = MachineProfile.uniform(
            4, link: .init(latency: 100e-6, bandwidth: 1.17e9, origin: .measured))
        #expect(profile.linkCosts.oneShotByteCount >= 16 << 10)
        #expect(profile.linkCosts.oneShotByteCount < 2 << 20)
        func rounds(_ model: SyntheticModel) throws -> (sums: Int, others: Int) {
            let program = try Compiler.compile(
                model.workload(pictures: 1).stages[0].program, mesh: Mesh([.init("model", 4)]),
                rules: usualRules(["model"]), options: CompilerOptions(links: profile.linkCosts))
            let reductions = program.locals[0].exchanges.filter { $0.kind == .allReduce }
            return (reductions.count { $0.reduction != nil }, reductions.count { $0.reduction == nil })
        }
        let parti = try rounds(.parti)
        #expect(parti.sums >= 6)
        #expect(parti.others == 0)
        let muse = try rounds(.muse)
        #expect(muse.others >= 6)
    }

    @Test("Shards follow the speeds of unequal workers")
    func unequalWorkers() throws {
        let profile = MachineProfile(
            workers: [.synthetic("slow", rate: 0.5e12, memory: 25e9), .synthetic("quick", rate: 1e12)], link: .fast)
        var model = SyntheticModel.muse
        model.guidanceRows = 1
        let search = MeshSearch(
            profile: profile, axes: SearchAxis.standard.filter { $0.name == "model" }, rules: usualRules)
        let choice = try search.run(model.workload(pictures: 1))
        #expect(sizes(choice.best) == ["model": 2])
        #expect(choice.best.workers == ["quick", "slow"])
        #expect(choice.best.speeds[0] == 1)
        #expect((0.4...0.6).contains(choice.best.speeds[1]))
        #expect(choice.best.peakBytes[0] > choice.best.peakBytes[1] * 3 / 2)
        #expect(choice.text().contains("shards follow speed"))
        // Half as fast again as the quick one alone, at best.
        let alone = try #require(choice.rivals.first { $0.title == "1 device" }?.secondsPerPicture)
        #expect((1.2...1.5).contains(alone / choice.best.secondsPerPicture))
    }

    @Test("A worker far slower than the others is left out")
    func slowWorkerIsLeftOut() throws {
        let profile = MachineProfile(
            workers: [
                .synthetic("a"), .synthetic("ancient", rate: 0.02e12, memory: 1e9), .synthetic("b"),
            ], link: .gigabit)
        let choice = try choose(.muse, profile)
        #expect(Set(choice.best.workers) == ["a", "b"])
        #expect(choice.notes.contains { $0.contains("ancient is idle") })
    }

    @Test("A model that fits no worker is split over all, whatever the links")
    func memoryForcesModelParallelism() throws {
        let whole = try choose(.muse, .uniform(1, link: .gigabit)).best.peakBytes[0]
        let limit = whole * 7 / 10
        let choice = try choose(.muse, .uniform(2, link: .gigabit), memory: [limit, limit])
        #expect(sizes(choice.best) == ["model": 2])
        #expect(choice.best.peakBytes.allSatisfy { $0 <= limit })
        let misfit = try #require(choice.rivals.first { $0.title == "guidance 2" })
        #expect(misfit.secondsPerPicture == nil)
        #expect(misfit.reason.contains("does not fit"))
        #expect(misfit.reason.contains("lacks"))
    }

    @Test("Shards move from a worker with little memory to one with enough")
    func memoryMovesShards() throws {
        let whole = try choose(.muse, .uniform(1, link: .gigabit)).best.peakBytes[0]
        let choice = try choose(
            .muse, .uniform(2, link: .gigabit), memory: [whole * 9 / 10, whole * 35 / 100])
        #expect(sizes(choice.best) == ["model": 2])
        #expect(choice.best.isBalancedByMemory)
        #expect(choice.best.peakBytes[0] <= whole * 9 / 10)
        #expect(choice.best.peakBytes[1] <= whole * 35 / 100)
        #expect(choice.text().contains("shards follow speed and memory"))
    }

    @Test("Where nothing fits the error names what each worker lacks")
    func nothingFits() throws {
        let error = try #require(throws: MeshSearchError.self) {
            _ = try choose(.muse, .uniform(2, link: .fast), memory: [1 << 20, 1 << 20])
        }
        guard case .nothingFits(_, let shortfalls) = error else { return }
        #expect(Set(shortfalls.map(\.worker)) == ["w0", "w1"])
        #expect(shortfalls.allSatisfy { $0.needed > $0.limit && $0.limit == 1 << 20 })
        #expect("\(error)".contains("w1 needs"))
    }

    @Test("At most so many meshes are compiled, each number of workers at least once")
    func pruning() throws {
        var model = SyntheticModel.muse
        model.layers = 1
        var search = MeshSearch(profile: .uniform(8, link: .gigabit), rules: usualRules)
        search.compiledMax = 16
        var total = 0
        let choice = try search.run(model.workload(pictures: 1)) { _, count in total = count }
        #expect(choice.compiledCount <= 17)
        #expect(total == choice.compiledCount)
        #expect(choice.consideredCount > choice.compiledCount)
        #expect(choice.rivals.contains { $0.reason.contains("not compiled") })
    }
}
