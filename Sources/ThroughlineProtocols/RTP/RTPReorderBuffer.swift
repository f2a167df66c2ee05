package import ThroughlineCore

/// Brings the packets of one flow, as datagrams deliver them, back into the order of their sequence numbers.
///
/// A packet that comes in order is handed on at once, as it lies in the caller's buffer. One that comes too early is
/// copied into a slot and waits there until the packets before it have come, or have been waited for long enough; then
/// the gap is told as a loss, and things go on behind it. What comes twice, or after its place was given up, is dropped.
///
/// Memory is bounded by the slots, which keep their storage: in the long run nothing is allocated. Not thread-safe; the
/// time is passed in.
package struct RTPReorderBuffer: Sendable {
    package struct Policy: Hashable, Sendable {
        /// How long the first missing packet is waited for.
        package var patience: Duration
        /// How far ahead of the first missing packet one may be held, in sequence numbers: 1 to 1024. A gap is given up
        /// when a packet beyond that comes.
        package var window: Int

        package init(patience: Duration = .milliseconds(100), window: Int = 64) {
            self.patience = patience
            self.window = max(1, min(1024, window))
        }
    }

    /// What comes out, in order.
    package enum Output {
        /// The next packet. The bytes are valid during the call only.
        case packet(UnsafeRawBufferPointer)
        /// So many packets are missing here, at least one.
        case lost(count: Int)
        /// The source began to count anew: what follows is no continuation in sequence.
        case restarted
    }

    private struct Slot {
        var bytes: [UInt8] = []
        var arrival = Instant.never
        var isHeld = false
    }

    /// Further ahead than this is no loss but another count (RFC 3550 appendix A.1, `MAX_DROPOUT`).
    private static let mostDropout = 3000
    /// Further behind than this is no late packet but another count (`MAX_MISORDER`).
    private static let mostMisorder = 100

    private let policy: Policy
    /// By sequence number, modulo their count, which is a power of two.
    private var slots: [Slot]
    /// The sequence number that is to be handed on next; nil before the first packet.
    private var next: UInt16?
    private var heldCount = 0
    /// When the longest held packet came; `.never` when none is held.
    private var oldest = Instant.never
    /// Which of the 64 packets before `next` were handed on; the lowest bit stands for the one just before it.
    private var handedOn: UInt64 = 0
    /// A packet whose number fits nowhere; a second one that follows it shows a new count.
    private var stray = Slot()
    private var straySequence: UInt16 = 0

    /// Packets that were given up.
    package private(set) var lost = 0
    /// Packets that came again and were dropped.
    package private(set) var duplicates = 0
    /// Packets that came after they had been given up, and were dropped.
    package private(set) var tooLate = 0
    /// Packets whose numbers fitted nowhere, and were dropped.
    package private(set) var strays = 0

    /// - Parameter first: the sequence number that `RTP-Info` promises; nil where the first packet to come is the first.
    package init(policy: Policy = Policy(), first: UInt16? = nil) {
        self.policy = policy
        var count = 1
        while count <= policy.window { count *= 2 }
        slots = Array(repeating: Slot(), count: count)
        next = first
    }

    /// When `expire` is to be called at the latest; `.never` when nothing is waited for.
    package var deadline: Instant { heldCount == 0 ? .never : oldest + policy.patience }

    /// A packet has come.
    ///
    /// - Parameters:
    ///   - packet: its bytes; copied only when it must wait.
    ///   - sequence: its sequence number.
    ///   - deliver: is given what can go on now, in order. It must not touch this buffer.
    package mutating func arrived(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant, deliver: (Output) -> Void
    ) {
        guard let next else {
            self.next = sequence &+ 1
            handedOn = 1
            deliver(.packet(packet))
            return
        }
        let ahead = Int(Int16(bitPattern: sequence &- next))
        if ahead == 0 {
            handOn(.packet(packet), deliver)
            if heldCount > 0 { drain(deliver) }
        } else if ahead > 0, ahead <= Self.mostDropout {
            hold(packet, sequence: sequence, ahead: ahead, at: now, deliver)
        } else if ahead < 0, ahead >= -Self.mostMisorder {
            let bit = -ahead - 1
            if bit < 64, handedOn & (1 << UInt64(bit)) == 0 { tooLate += 1 } else { duplicates += 1 }
        } else {
            fitsNowhere(packet, sequence: sequence, at: now, deliver)
        }
        if heldCount > 0, deadline <= now { expire(at: now, deliver: deliver) }
    }

    /// Gives up what has been waited for long enough.
    package mutating func expire(at now: Instant, deliver: (Output) -> Void) {
        while heldCount > 0, deadline <= now { skipToHeld(deliver) }
    }

    /// Gives up all that is missing, at the end or before a pause.
    package mutating func flush(deliver: (Output) -> Void) {
        while heldCount > 0 { skipToHeld(deliver) }
    }

    /// Forgets everything: another range begins, after a seek or with another connection.
    ///
    /// - Parameter first: as in `init`.
    package mutating func reset(first: UInt16? = nil) {
        for index in slots.indices where slots[index].isHeld { release(index) }
        stray.isHeld = false
        oldest = .never
        handedOn = 0
        next = first
    }

    // MARK: Inside

    private func index(_ sequence: UInt16) -> Int { Int(sequence) & (slots.count - 1) }

    private mutating func handOn(_ output: Output, _ deliver: (Output) -> Void) {
        next = next.map { $0 &+ 1 }
        handedOn = handedOn << 1 | 1
        deliver(output)
    }

    private mutating func release(_ index: Int) {
        slots[index].isHeld = false
        heldCount -= 1
    }

    private mutating func hold(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, ahead: Int, at now: Instant, _ deliver: (Output) -> Void
    ) {
        var ahead = ahead
        while ahead > policy.window {
            // Too far ahead to wait for what is missing.
            if heldCount > 0 {
                skipToHeld(deliver)
            } else {
                skip(ahead, deliver)
            }
            ahead = next.map { Int(Int16(bitPattern: sequence &- $0)) } ?? 0
        }
        guard ahead > 0 else {
            // All before it was given up or has come.
            handOn(.packet(packet), deliver)
            drain(deliver)
            return
        }
        let index = index(sequence)
        guard !slots[index].isHeld else {
            duplicates += 1
            return
        }
        slots[index].bytes.removeAll(keepingCapacity: true)
        slots[index].bytes.append(contentsOf: packet)
        slots[index].arrival = now
        slots[index].isHeld = true
        heldCount += 1
        oldest = min(oldest, now)
    }

    /// Hands on the held packets that follow without a gap.
    private mutating func drain(_ deliver: (Output) -> Void) {
        var drained = false
        while heldCount > 0, let next {
            let index = index(next)
            guard slots[index].isHeld else { break }
            release(index)
            drained = true
            self.next = next &+ 1
            handedOn = handedOn << 1 | 1
            slots[index].bytes.withUnsafeBytes { deliver(.packet($0)) }
        }
        if drained {
            oldest = .never
            if heldCount > 0 {
                for slot in slots where slot.isHeld { oldest = min(oldest, slot.arrival) }
            }
        }
    }

    /// Gives up the packets before the first that is held, and goes on from there.
    private mutating func skipToHeld(_ deliver: (Output) -> Void) {
        // What is held lies within the window of `next`: it was put there so, and `next` has only come nearer since.
        guard let next, let count = (1...policy.window).first(where: { slots[index(next &+ UInt16($0))].isHeld })
        else { preconditionFailure("\(heldCount) held, none within \(policy.window) of \(String(describing: next))") }
        skip(count, deliver)
        drain(deliver)
    }

    private mutating func skip(_ count: Int, _ deliver: (Output) -> Void) {
        next = next.map { $0 &+ UInt16(truncatingIfNeeded: count) }
        handedOn = count < 64 ? handedOn << UInt64(count) : 0
        lost += count
        deliver(.lost(count: count))
    }

    /// Two packets in a row with numbers far from where they should be are a new count (RFC 3550 appendix A.1).
    private mutating func fitsNowhere(
        _ packet: UnsafeRawBufferPointer, sequence: UInt16, at now: Instant, _ deliver: (Output) -> Void
    ) {
        guard stray.isHeld, sequence == straySequence &+ 1 else {
            if stray.isHeld { strays += 1 }
            stray.bytes.removeAll(keepingCapacity: true)
            stray.bytes.append(contentsOf: packet)
            stray.isHeld = true
            straySequence = sequence
            return
        }
        flush(deliver: deliver)
        stray.isHeld = false
        next = sequence &+ 1
        handedOn = 0b11
        deliver(.restarted)
        stray.bytes.withUnsafeBytes { deliver(.packet($0)) }
        deliver(.packet(packet))
    }
}
