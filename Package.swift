// swift-tools-version: 6.1
import PackageDescription

/// Every room is compiled with the same strictness; what a file uses, it imports itself.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "throughline",
    products: [
        .library(name: "Throughline", targets: ["Throughline", "ThroughlineCore"]),
        .library(name: "ThroughlineLab", targets: ["ThroughlineLab"]),
        .executable(name: "throughline", targets: ["ThroughlineCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [.apt(["libavformat-dev", "libavcodec-dev", "libavutil-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CPosix"),
        .target(name: "CDemoMedia"),

        .target(name: "ThroughlineCore", dependencies: ["CPosix"], swiftSettings: strict),
        .target(name: "ThroughlineProtocols", dependencies: ["ThroughlineCore"], swiftSettings: strict),
        .target(
            name: "ThroughlineTransport", dependencies: ["ThroughlineCore", "CCurl", "CPosix"],
            swiftSettings: strict),
        .target(
            name: "ThroughlineMedia", dependencies: ["ThroughlineCore", "CFFmpeg", collections],
            swiftSettings: strict),
        .target(
            name: "Throughline",
            dependencies: [
                "ThroughlineCore", "ThroughlineProtocols", "ThroughlineTransport", "ThroughlineMedia", collections,
            ],
            swiftSettings: strict),
        .target(
            name: "ThroughlineLab",
            dependencies: [
                "Throughline", "ThroughlineMedia", "ThroughlineProtocols", "ThroughlineCore",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "ThroughlineCLI",
            dependencies: [
                "Throughline", "ThroughlineLab", "ThroughlineCore", "CDemoMedia",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // The programs that the documentation shows, compiled as a user's are.
        .executableTarget(name: "ExamplePlay", dependencies: ["Throughline"], path: "Examples/ExamplePlay"),
        .executableTarget(
            name: "ExampleControl", dependencies: ["Throughline", "ThroughlineLab"], path: "Examples/ExampleControl"),
        .executableTarget(
            name: "ExampleLab", dependencies: ["Throughline", "ThroughlineLab"], path: "Examples/ExampleLab"),
        .executableTarget(
            name: "ExampleWorld", dependencies: ["Throughline", "ThroughlineLab"], path: "Examples/ExampleWorld"),

        .testTarget(name: "ThroughlineCoreTests", dependencies: ["ThroughlineCore"], swiftSettings: strict),
        .testTarget(
            name: "ThroughlineProtocolsTests", dependencies: ["ThroughlineProtocols", "ThroughlineCore"],
            swiftSettings: strict),
        .testTarget(
            name: "ThroughlineTransportTests", dependencies: ["ThroughlineTransport", "ThroughlineCore"],
            swiftSettings: strict),
        .testTarget(
            name: "ThroughlineMediaTests",
            dependencies: ["ThroughlineMedia", "ThroughlineProtocols", "ThroughlineCore", collections],
            swiftSettings: strict),
        .testTarget(
            name: "ThroughlineLabTests",
            dependencies: ["ThroughlineLab", "ThroughlineMedia", "ThroughlineProtocols", "ThroughlineCore"],
            swiftSettings: strict),
        .testTarget(
            name: "ThroughlineTests",
            dependencies: [
                "Throughline", "ThroughlineMedia", "ThroughlineProtocols", "ThroughlineCore", collections,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "InteropTests", dependencies: ["Throughline", "ThroughlineLab", "ThroughlineCLI", "ThroughlineCore"],
            swiftSettings: strict),
    ]
)
