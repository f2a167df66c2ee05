// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "throughline-benchmarks",
    dependencies: [
        .package(name: "throughline", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    ],
    targets: [
        .executableTarget(
            name: "throughline-bench",
            dependencies: [
                .product(name: "Throughline", package: "throughline"),
                .product(name: "ThroughlineLab", package: "throughline"),
                .product(name: "throughline", package: "throughline"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ])
    ]
)
