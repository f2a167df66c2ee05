internal import ThroughlineCore

/// Looks for the constants by which the sequence numbers and the timestamps of two senders differ that send the same.
///
/// A payload that both have sent, each once, speaks for a pair of constants. As long as they are not known, every packet
/// of both is shown to it. Memory is fixed; not thread-safe.
struct RTPTwinSearch: Sendable {
    enum Side { case played, twin }

    /// What is to be added to the numbers of the played sender for those of its twin.
    struct Offsets: Hashable, Sendable {
        let sequence: UInt16
        let timestamp: UInt32

        /// Senders that make their timestamps from times round each for itself.
        static let tolerance: UInt32 = 2

        func agrees(with other: Offsets) -> Bool {
            sequence == other.sequence
                && Int32(bitPattern: timestamp &- other.timestamp).magnitude <= Self.tolerance
        }

        init(played: RTPMark, twin: RTPMark) {
            sequence = twin.sequence &- played.sequence
            timestamp = twin.timestamp &- played.timestamp
        }
    }

    private struct Candidate {
        let offsets: Offsets
        var proofs: Int
    }

    private struct Seen {
        let mark: RTPMark
        /// It says nothing: the sender has sent the same before, or it was counted.
        var isSpent = false
    }

    private static let tableCount = 4096
    private static let candidateLimit = 32

    private let proofs: Int
    private let memory: Duration
    /// By identity, the last packet that has its place there.
    private var played = [Seen?](repeating: nil, count: tableCount)
    private var twin = [Seen?](repeating: nil, count: tableCount)
    private var candidates: [Candidate] = []

    /// - Parameters:
    ///   - proofs: distinct payloads that must agree.
    ///   - memory: how far apart two packets may arrive and still be taken for the same.
    init(proofs: Int, memory: Duration) {
        self.proofs = proofs
        self.memory = memory
    }

    /// A packet has come.
    ///
    /// - Returns: constants that enough payloads agree on; they begin to be counted anew.
    mutating func saw(_ mark: RTPMark, of side: Side) -> Offsets? {
        guard mark.isTelling else { return nil }
        let index = Int(truncatingIfNeeded: mark.identity & UInt64(Self.tableCount - 1))
        let before = side == .played ? played[index] : twin[index]
        var seen = Seen(mark: mark)
        if let before, before.mark.identity == mark.identity, mark.arrival - before.mark.arrival <= memory {
            // Sent again under the same number it is a duplicate.
            if before.mark.sequence == mark.sequence { return nil }
            seen.isSpent = true
        }
        let other = side == .played ? twin[index] : played[index]
        var found: Offsets?
        if !seen.isSpent, let other, !other.isSpent, other.mark.identity == mark.identity,
            mark.arrival - other.mark.arrival <= memory
        {
            seen.isSpent = true
            found = count(
                side == .played
                    ? Offsets(played: mark, twin: other.mark) : Offsets(played: other.mark, twin: mark))
        }
        if side == .played { played[index] = seen } else { twin[index] = seen }
        return found
    }

    private mutating func count(_ offsets: Offsets) -> Offsets? {
        guard let index = candidates.firstIndex(where: { $0.offsets.agrees(with: offsets) }) else {
            if candidates.count == Self.candidateLimit,
                let least = candidates.indices.min(by: { candidates[$0].proofs < candidates[$1].proofs })
            {
                candidates.remove(at: least)
            }
            candidates.append(Candidate(offsets: offsets, proofs: 1))
            return proofs <= 1 ? offsets : nil
        }
        candidates[index].proofs += 1
        guard candidates[index].proofs >= proofs else { return nil }
        return candidates.remove(at: index).offsets
    }
}
