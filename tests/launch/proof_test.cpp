#include "launch/proof.h"

#include <gtest/gtest.h>

#include "core/sha256.h"

namespace ingot::launch {
namespace {

TEST(Proof, TheHmacIsThatOfRfc4231) {
  EXPECT_EQ(hmac_sha256_hex(std::string(20, '\x0b'), "Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256_hex("Jefe", "what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256_hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Proof, DependsOnEverythingThatIsSaid) {
  const auto proof = guest_proof("token", "a", "b", "1");
  for (const auto& other : {guest_proof("tokem", "a", "b", "1"), guest_proof("token", "c", "b", "1"), guest_proof("token", "a", "c", "1"),
                            guest_proof("token", "a", "b", "2"), host_proof("token", "a", "b"), std::string()})
    EXPECT_FALSE(is_same_proof(other, proof));
  EXPECT_TRUE(is_same_proof(guest_proof("token", "a", "b", "1"), proof));
}

TEST(Proof, NoTwoSecretsAreTheSame) {
  EXPECT_EQ(random_secret().size(), 64);
  EXPECT_NE(random_secret(), random_secret());
}

}  // namespace
}  // namespace ingot::launch
