// swift-tools-version: 6.2
import PackageDescription

/// Settings that hold for every Swift target of ours.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]
/// Targets that never touch a pointer also prove it.
let strict: [SwiftSetting] = common + [.strictMemorySafety()]

/// Debug builds compile C without optimisation, which makes kernels unusable in tests; they keep -O3.
let fastC: [CSetting] = [
    .unsafeFlags(["-O3"], .when(configuration: .debug)), .unsafeFlags(["-ffp-contract=off", "-fno-math-errno"]),
]

/// Files of the web page, which the binary contains.
let page = [
    "api.js", "cluster.css", "cluster.js", "editor.js", "form.js", "gallery.js", "icon.svg", "index.html", "main.js",
    "paint.css", "painting.js", "theme.css",
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
    name: "tessera",
    products: [
        .executable(name: "tessera", targets: ["CLI"]),
        // Preloaded by `tessera bench step --allocations`, linked by nothing.
        .library(name: "tessera-heap-counter", type: .dynamic, targets: ["CHeapCounter"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        // Without its defaults: they would bring a configuration library that nothing here uses.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C: system libraries (each imported by exactly one target), kernels and shims.
        .target(name: "CKernels", cSettings: fastC),
        .target(name: "CImage", linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("jpeg")]),
        .target(name: "CLinux"),
        .target(name: "CHeapCounter", linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),

        // Data and compiler.
        .target(name: "Tensor", swiftSettings: common),
        .target(name: "Program", dependencies: ["Tensor"], swiftSettings: strict),
        .target(name: "Sharding", dependencies: ["Program", "Tensor"], swiftSettings: strict),
        .target(name: "Models", dependencies: ["Program", "Tensor"], swiftSettings: common),

        // Execution and communication.
        .target(
            name: "Runtime", dependencies: ["Program", "Tensor", "CKernels", "CLinux", "COpenBLAS"],
            swiftSettings: common),
        .target(
            name: "Protocol", dependencies: ["Program", "Tensor", protobuf], exclude: ["tessera.proto"],
            swiftSettings: common),
        .target(
            name: "Transport", dependencies: ["Program", "CZeroMQ", "CLinux", logging],
            swiftSettings: common),

        // Roles.
        .target(
            name: "Worker", dependencies: ["Runtime", "Transport", "Protocol", "Program", "Tensor", "CLinux", logging],
            swiftSettings: common),
        .target(
            name: "Coordinator",
            dependencies: [
                "Models", "Sharding", "Transport", "Protocol", "Program", "Tensor", "CLinux", "Yams", logging,
            ],
            swiftSettings: common),
        .target(
            name: "Server",
            dependencies: [
                "Coordinator", "Models", "Protocol", "Tensor", "CImage", "CLinux", logging, nioCore,
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            resources: page.map { .embedInCode("Page/Assets/\($0)") },
            swiftSettings: common),
        .target(
            name: "Bench",
            dependencies: [
                "Coordinator", "Sharding", "Worker", "Runtime", "Transport", "Protocol", "Program", "Tensor", logging,
            ],
            swiftSettings: common),
        .executableTarget(
            name: "CLI",
            dependencies: [
                "Bench", "Coordinator", "Worker", "Server", "Models", "Sharding", "Runtime", "Transport", "Protocol",
                "Program", "Tensor", "CLinux", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common),

        // Tests, one target a module, then whole clusters.
        .testTarget(name: "TensorTests", dependencies: ["Tensor"], swiftSettings: common),
        .testTarget(name: "ProgramTests", dependencies: ["Program", "Tensor", "TestSupport"], swiftSettings: common),
        .testTarget(name: "ShardingTests", dependencies: ["Sharding", "Program", "Tensor"], swiftSettings: common),
        .testTarget(
            name: "ModelsTests", dependencies: ["Models", "Program", "Tensor", "TestSupport"], swiftSettings: common),
        .testTarget(
            name: "RuntimeTests", dependencies: ["Runtime", "CKernels", "Program", "Tensor", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "ProtocolTests", dependencies: ["Protocol", "Program", "Tensor", "TestSupport"], swiftSettings: common
        ),
        .testTarget(
            name: "TransportTests",
            dependencies: ["Transport", "CLinux", "Protocol", "Program", "Tensor", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "WorkerTests",
            dependencies: ["Worker", "Runtime", "Transport", "Protocol", "Program", "Tensor", logging],
            swiftSettings: common),
        .testTarget(
            name: "CoordinatorTests",
            dependencies: [
                "Coordinator", "Worker", "Models", "Sharding", "Runtime", "Transport", "Protocol", "Program", "Tensor",
                "TestSupport", logging,
            ],
            swiftSettings: common),
        .testTarget(
            name: "BenchTests",
            dependencies: [
                "Bench", "Coordinator", "Runtime", "Sharding", "Program", "Tensor", logging,
            ],
            swiftSettings: common),
        .target(name: "HTTPProbe", dependencies: ["CLinux"], path: "Tests/HTTPProbe", swiftSettings: common),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: common),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "Server", "Coordinator", "Tensor", "HTTPProbe", "TestSupport", logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "Coordinator", "Worker", "Models", "Sharding", "Runtime", "Transport", "Protocol", "Program", "Tensor",
                "TestSupport",
            ],
            swiftSettings: common),
        .testTarget(
            name: "ProcessTests",
            dependencies: ["CLI", "HTTPProbe", "Protocol", "Server", "Tensor", "Transport", logging],
            swiftSettings: common),
        .testTarget(
            name: "XLATests", dependencies: ["Sharding", "Runtime", "Transport", "Program", "Tensor"],
            swiftSettings: common),
        .testTarget(name: "TidyTests", swiftSettings: common),
    ]
)
