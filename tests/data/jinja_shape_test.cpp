#include "data/chat/jinja_shape.h"

#include <gtest/gtest.h>

namespace ingot::data {
namespace {

TEST(JinjaShape, IsTheSameForTheSameTextWrittenOtherwise) {
  const std::string wanted = "{%for message in messages%}{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>\n'}}{%endfor%}";
  for (const char* jinja : {"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}",
                            "{%- for message in messages %}\n    {{- \"<|im_start|>\" + message.role + \"\n\" + message.content + '<|im_end|>\\n' -}}\n{%- endfor %}\n",
                            "{# a note #}\n{% for message in messages %}\n  {% generation %}\n<|im_start|>{{ message['role'] }}{{ '\\n' + message[\"content\"] }}<|im_end|>{{ '\n' }}"
                            "{% endgeneration %}{% endfor %}"})
    EXPECT_EQ(jinja_shape(jinja), wanted) << jinja;
}

TEST(JinjaShape, DropsTheBlanksThatTransformersDrops) {
  EXPECT_EQ(jinja_shape(" {% if x %}\n\na{% endif %}\nb\n  {% if y %} c {{ d }}\n{% endif %}"),
            "{%if x%}{{'\na'}}{%endif%}{{'b\n'}}{%if y%}{{' c '+d+'\n'}}{%endif%}");
}

TEST(JinjaShape, KeepsWhatIsPrinted) {
  EXPECT_EQ(jinja_shape("{{ 'a' + x|trim + ('b' + y) }}"), "{{'a'+x|trim+('b'+y)}}");
  EXPECT_NE(jinja_shape("{{ message.role }}"), jinja_shape("{{ message.role.upper() }}"));
  EXPECT_NE(jinja_shape("{{ 'it\\'s' }}"), jinja_shape("{{ 'its' }}"));
  EXPECT_EQ(jinja_shape("{% set c = bos + '\\n'+ 'x' %}"), "{%set c=bos+'\nx'%}");
}

TEST(JinjaShape, TakesTextThatIsNoJinja) {
  for (const char* jinja : {"", "{", "{{", "{%", "{{ 'a", "{% if", "{# a", "{{ 'a\\", "{{ + }}", "}} %}"}) EXPECT_NO_THROW(jinja_shape(jinja)) << jinja;
}

}  // namespace
}  // namespace ingot::data
