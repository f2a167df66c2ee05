internal import Glibc
internal import ThroughlineCore

@testable import ThroughlineProtocols

/// The bytes of a file in `Fixtures`.
func fixture(_ name: String) -> [UInt8]? {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    guard let file = fopen("/\(root)/Fixtures/\(name)", "rb") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
    return bytes
}

/// The bytes of base64 text, for cue messages are passed around as such.
func bytes(base64 text: String) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var bytes: [UInt8] = []
    var (value, bits) = (0, 0)
    for digit in text.utf8.compactMap({ alphabet.firstIndex(of: $0) }) {
        value = (value << 6 | digit) & 0xFFFF
        bits += 6
        if bits >= 8 {
            bits -= 8
            bytes.append(UInt8(truncatingIfNeeded: value >> bits))
        }
    }
    return bytes
}

/// Messages of every form.
let indicatorMessages: [IndicatorMessage] = [
    IndicatorMessage(
        action: .move, event: 7, position: .npt(.milliseconds(83_500)), target: "https://b.example/live.ts"),
    IndicatorMessage(action: .move, event: .max, position: .clock((1 << 33) - 1)),
    IndicatorMessage(action: .stay, event: 0),
    // Bytes that need emulation prevention, and a flick that no short decimal says.
    IndicatorMessage(action: .end, event: 3, position: .npt(NPT(flicks: 0x0000_0300_0001_0000 + 1))),
    IndicatorMessage(action: .withdraw, event: 7),
    IndicatorMessage(action: .move, event: 1, target: "rtsp://host/" + String(repeating: "ä/", count: 678) + "zz"),
].compactMap { $0 }

/// Fixed inputs and the same cut short, changed, and random: each in a buffer of its very size, so that a checking
/// allocator sees a byte too many.
func forEachHostileInput(
    seed: UInt64, real: [[UInt8]], rounds: Int = 10_000, _ body: (UnsafeRawBufferPointer, inout SeededGenerator) -> Void
) {
    var random = SeededGenerator(seed: seed)
    for round in 0..<rounds {
        var input = real.randomElement(using: &random) ?? []
        switch round % 3 {
        case 0: input = random.bytes(Int.random(in: 0...80, using: &random))
        case 1: input.removeLast(Int.random(in: 0...input.count, using: &random))
        default:
            for _ in 0..<Int.random(in: 1...8, using: &random) where !input.isEmpty {
                input[Int.random(in: 0..<min(input.count, 96), using: &random)] =
                    [0, 1, 3, 0x47, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &random)]
                    .randomElement(using: &random) ?? 0
            }
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 1)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: input)
        body(UnsafeRawBufferPointer(buffer), &random)
    }
}
