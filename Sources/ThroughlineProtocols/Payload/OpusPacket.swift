/// How long an Opus packet lasts, from its first bytes (RFC 6716 section 3.1).
package enum OpusPacket {
    /// The rate that Opus counts time at, whatever the sound was sampled with (RFC 7587 section 4.1).
    package static let clockRateHz: Int32 = 48_000

    /// Samples at 48 kHz, 120 to 5760; nil for what is no Opus packet.
    package static func samples(in packet: UnsafeRawBufferPointer) -> Int? {
        guard let first = packet.first else { return nil }
        let configuration = Int(first >> 3)
        let frame =
            switch configuration {
            case ..<12: [480, 960, 1920, 2880][configuration & 3]
            case ..<16: [480, 960][configuration & 1]
            default: [120, 240, 480, 960][configuration & 3]
            }
        let count: Int
        switch first & 0x03 {
        case 0: count = 1
        case 1, 2: count = 2
        default:
            guard packet.count >= 2 else { return nil }
            count = Int(packet[1] & 0x3F)
        }
        let samples = frame * count
        return (1...5760).contains(samples) ? samples : nil
    }
}
