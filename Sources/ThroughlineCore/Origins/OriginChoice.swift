/// Why it was this origin that was asked.
package enum OriginChoice: Hashable, Sendable {
    /// A lone break of an origin with a clean record: it is asked again itself.
    case loneBreak
    /// Whoever wanted the change has named it.
    case named
    /// It delivers faster, as far as is known.
    case better
    /// It stood ready.
    case stoodReady
    /// It came first of those that could be asked; these would have come before it.
    case inOrder(passedOver: [PassedOver])
    /// The one that was asked before was slow to answer.
    case hedge
    /// It holds other bytes than those that were wanted: asked for the same packets or programme instead.
    case lowerGrade

    package struct PassedOver: Hashable, Sendable {
        package enum Reason: Hashable, Sendable {
            /// It was asked already, or is the one that is left.
            case asked
            /// It failed lately, and is not asked before so long.
            case penalty(Duration)
            /// It failed more often in a row.
            case failures(Int)
            /// Its host could not be connected to.
            case deadHost
            /// It cannot help with this change.
            case barred
            case ruledOut(String)
        }

        package let origin: OriginID
        package let reason: Reason

        package init(_ origin: OriginID, _ reason: Reason) {
            self.origin = origin
            self.reason = reason
        }
    }

    /// For people.
    ///
    /// - Parameter name: of an origin.
    package func text(_ name: (OriginID) -> String) -> String {
        switch self {
        case .loneBreak: return "it broke off for the first time, and may be well"
        case .named: return "it was named"
        case .better: return "it has a better prospect"
        case .stoodReady: return "it stood ready"
        case .hedge: return "the one before it was slow to answer"
        case .lowerGrade: return "it holds other bytes, and is asked for the same packets"
        case .inOrder(let passedOver):
            let others = passedOver.map { "\(name($0.origin)) \($0.reason)" }.joined(separator: ", ")
            return others.isEmpty ? "first in order" : "next in order; \(others)"
        }
    }
}

extension OriginChoice.PassedOver.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .asked: "was asked or left"
        case .penalty(let rest): "failed lately, not asked for \(max(1, rest.wholeNanoseconds / 1_000_000)) ms"
        case .failures(let count): "failed \(count) time\(count == 1 ? "" : "s") in a row"
        case .deadHost: "is on a host that could not be connected to"
        case .barred: "cannot help"
        case .ruledOut(let reason): "is ruled out: \(reason)"
        }
    }
}
