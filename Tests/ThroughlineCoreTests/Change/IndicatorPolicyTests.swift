internal import Testing
internal import ThroughlineCore

@Suite struct IndicatorPolicyTests {
    private static let known = "http://b.example/x"
    private static let position = Indicator.Position.npt(.seconds(5))

    private func decide(
        _ policy: IndicatorPolicy, _ kind: Indicator.Kind, _ action: Indicator.Action, target: String? = nil
    ) -> IndicatorPolicy.Decision {
        let indicator = Indicator(
            kind: kind, action: action, position: Self.position, target: target, event: 1, detail: "")
        return policy.decision(on: indicator) { $0 == Self.known ? OriginID(1) : nil }
    }

    @Test(
        arguments: [
            (.userData, .move, .leave(for: .anyOrigin, at: position)),
            (.timedMetadata, .move, .leave(for: .anyOrigin, at: position)),
            (.userData, .stay, .stay(at: position)), (.userData, .end, .end(at: position)),
            (.userData, .withdraw, .withdraw),
            (.splice, .change, .stay(at: position)), (.splice, .withdraw, .withdraw),
            (.discontinuity, .change, .stay(at: position)), (.programChange, .change, .stay(at: position)),
        ] as [(Indicator.Kind, Indicator.Action, IndicatorPolicy.Decision)])
    func byDefault(kind: Indicator.Kind, action: Indicator.Action, decision: IndicatorPolicy.Decision) {
        #expect(decide(IndicatorPolicy(), kind, action) == decision)
    }

    /// The table of the type's documentation, for every kind.
    @Test(arguments: Indicator.Kind.allCases)
    func asSet(kind: Indicator.Kind) {
        let at = Self.position
        let rows: [(Indicator.Action, stay: IndicatorPolicy.Decision, leave: IndicatorPolicy.Decision)] = [
            (.move, .stay(at: at), .leave(for: .anyOrigin, at: at)),
            (.change, .stay(at: at), .leave(for: .anyOrigin, at: at)),
            (.stay, .stay(at: at), .stay(at: at)),
            (.end, .end(at: at), .end(at: at)),
            (.withdraw, .withdraw, .withdraw),
        ]
        #expect(Set(rows.map(\.0)) == Set(Indicator.Action.allCases))
        for row in rows {
            var policy = IndicatorPolicy()
            policy[kind] = .stay
            #expect(decide(policy, kind, row.0) == row.stay)
            policy[kind] = .leave
            #expect(decide(policy, kind, row.0) == row.leave)
            policy[kind] = .ignore
            #expect(decide(policy, kind, row.0) == .ignore)
            for other in Indicator.Kind.allCases where other != kind {
                #expect(policy[other] == IndicatorPolicy()[other])
            }
        }
    }

    @Test(
        arguments: [
            (known, .origin(OriginID(1)), .origin(OriginID(1))),
            ("https://c.example/x", nil, .other(url: "https://c.example/x")),
            ("RTSP://c/x", nil, .other(url: "RTSP://c/x")),
            // Never, even where others are allowed: files, what is no URL, and what names no host.
            ("file:///etc/passwd", nil, nil), ("concat:a|b", nil, nil), ("/x", nil, nil), ("http:///x", nil, nil),
            ("http://", nil, nil), ("http:x", nil, nil), ("", nil, nil),
        ] as [(String, IndicatorPolicy.Destination?, IndicatorPolicy.Destination?)])
    func targetsThatWereNotConfiguredAreRefused(
        target: String, destination: IndicatorPolicy.Destination?, allowed: IndicatorPolicy.Destination?
    ) {
        func expected(_ destination: IndicatorPolicy.Destination?) -> IndicatorPolicy.Decision {
            destination.map { .leave(for: $0, at: Self.position) } ?? .refuse(url: target)
        }
        #expect(decide(IndicatorPolicy(), .userData, .move, target: target) == expected(destination))
        let open = IndicatorPolicy(allowsOtherTargets: true)
        #expect(decide(open, .userData, .move, target: target) == expected(allowed))
    }

    @Test func whatIsSetToItsDefaultIsAsNeverSet() {
        var policy = IndicatorPolicy()
        policy[.splice] = .leave
        #expect(policy != IndicatorPolicy())
        policy[.splice] = .stay
        #expect(policy == IndicatorPolicy())
    }
}
