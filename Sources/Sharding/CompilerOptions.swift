public import Program

/// In which order the partial results of a sharded reduction are added.
public enum ReductionOrder: String, Sendable, Hashable, CaseIterable {
    /// By the ``ReductionTree`` over the granules of the reduced dimension: the same bits on every mesh.
    ///
    /// Costs several partial results a device where a range of granules is not aligned, and only the first reduced
    /// dimension may be split.
    case canonical
    /// Each device adds all it has, and the partial results are added in mesh order: fewest bytes, any reduced
    /// dimension may be split, but the last bits depend on the mesh.
    case sharded
}

/// The element type in which partial sums travel between devices.
public enum PartialSums: String, Sendable, Hashable, CaseIterable {
    /// f32: the sum is rounded once, to the result's type, and pictures are the same on every mesh.
    case f32
    /// The result's type: half the bytes where that is bf16.
    ///
    /// Each partial sum is rounded before it is sent; they are added in f32, and the sum is rounded once more. What a
    /// result is depends on how its sum was split, so pictures differ between meshes. All devices of a mesh agree.
    case activations
}

/// What a message costs: decides between one round of large messages and two rounds of small ones.
public struct LinkCosts: Sendable, Hashable {
    /// Seconds that a round of messages takes however small they are.
    public var latency: Double
    /// Bytes a second that a device sends.
    public var bandwidth: Double

    /// Makes costs.
    public init(latency: Double, bandwidth: Double) {
        self.latency = latency
        self.bandwidth = bandwidth
    }

    /// Gigabit Ethernet between common machines: a round costs as much as 64 KiB.
    public static let ethernet = LinkCosts(latency: Double(64 << 10) / 117e6, bandwidth: 117e6)
    /// Bytes alone count: every choice is the one that sends fewest.
    public static let bandwidthOnly = LinkCosts(latency: 0, bandwidth: 117e6)

    /// Reductions up to so many bytes go to every device at once (one round); larger ones are reduced in pieces, and
    /// the pieces gathered (fewest bytes).
    public var oneShotByteCount: Int { Int((latency * bandwidth).rounded()) }

    /// Exchanges travel in common messages as long as that saves time: copying the parts of one together and apart again
    /// takes less than its latency, and where a product lies between, sending it does.
    public var fusion: FusionLimits {
        FusionLimits(byteCountMax: Int(latency * Self.copyBandwidth), waitingByteCountMax: oneShotByteCount)
    }

    /// Bytes a second that are packed and unpacked, on a common machine.
    private static let copyBandwidth = 4e9
}

/// Up to which size exchanges that can start at one place are put into common messages.
public struct FusionLimits: Sendable, Hashable {
    /// Most bytes of a common message.
    public var byteCountMax: Int
    /// Most bytes of a common message that has to wait for a product which one of its parts need not wait for.
    public var waitingByteCountMax: Int

    /// Makes limits.
    public init(byteCountMax: Int, waitingByteCountMax: Int) {
        self.byteCountMax = byteCountMax
        self.waitingByteCountMax = waitingByteCountMax
    }

    /// Every exchange has messages of its own.
    public static let off = FusionLimits(byteCountMax: 0, waitingByteCountMax: 0)
}

/// Where the tensors that the caller gives lie.
public enum InputPlacement: String, Sendable, Hashable, CaseIterable {
    /// Every device takes from the caller whatever it reads: inputs cost nothing in any layout.
    case anywhere
    /// As planned: a device holds the box that annotation or propagation give it, and what it reads beyond is exchanged.
    case annotated
}

/// A part of the compiler's work, in the order in which they run.
public enum CompilerPass: String, Sendable, Hashable, CaseIterable {
    /// Sharding rules, annotations, and their spreading to all values.
    case propagation
    /// Steps for every device, with collectives.
    case partitioning
    /// Common messages, early starts and late waits.
    case scheduling
    /// Offsets of buffers in the arena, for devices that differ.
    case memory
    /// One local program a device, and words on why weights are split so.
    case emission
}

/// How exchanges are hidden behind computing; the results are the same bits in all of them.
public enum Overlap: Sendable, Hashable {
    /// As ``messages``, and in blocks where the machines' profile predicts that it saves time.
    case auto
    /// In so many blocks along the factor of this number (counted round), wherever there is one, and whatever it takes.
    case blocks(Int, factor: Int = 0)
    /// Exchanges start early and are waited for late, in the program's order.
    case messages
    /// Every exchange is waited for at once.
    case off
}

/// Choices of the compiler that are not the program's.
public struct CompilerOptions: Sendable {
    /// Order of sums.
    public var reductionOrder: ReductionOrder
    /// How partial sums travel.
    public var partialSums: PartialSums
    /// How activations and partial sums travel.
    ///
    /// With ``WireFormat/int8`` values differ by what was sent, so pictures differ between meshes. All devices of a mesh agree.
    public var wire: WireFormat
    /// Costs of messages.
    public var links: LinkCosts
    /// Where inputs lie.
    public var inputs: InputPlacement
    /// Which small exchanges travel in common messages; nil: as the links say (``LinkCosts/fusion``).
    public var fusion: FusionLimits?
    /// How messages are on their way while devices compute.
    public var overlap: Overlap
    /// What the devices and their links can do; nil: unknown, and nothing is done in blocks to hide exchanges.
    public var machines: MachineProfile?
    /// Called between passes with the pass's name and the program at that point as text.
    public var dump: (@Sendable (_ pass: String, _ text: String) -> Void)?
    /// Called at the end of each pass, for those who hold a clock.
    public var passed: (@Sendable (CompilerPass) -> Void)?

    /// Makes options; the defaults give the same bits on every mesh.
    public init(
        reductionOrder: ReductionOrder = .canonical, partialSums: PartialSums = .f32, wire: WireFormat = .exact,
        links: LinkCosts = .ethernet, inputs: InputPlacement = .anywhere, fusion: FusionLimits? = nil,
        overlap: Overlap = .auto, machines: MachineProfile? = nil,
        dump: (@Sendable (_ pass: String, _ text: String) -> Void)? = nil,
        passed: (@Sendable (CompilerPass) -> Void)? = nil
    ) {
        self.reductionOrder = reductionOrder
        self.partialSums = partialSums
        self.wire = wire
        self.links = links
        self.inputs = inputs
        self.fusion = fusion
        self.overlap = overlap
        self.machines = machines
        self.dump = dump
        self.passed = passed
    }
}
