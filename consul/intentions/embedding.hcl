Kind = "service-intentions"
Name = "embedding"

# The gateway turns texts into vectors, one call alone or many in one, and lists the models. Every other caller and every other method is refused (default_intention_policy).
Sources = [
  {
    Name = "gateway"

    Permissions = [
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.embedding.v1.EmbeddingService/Embed"
          Methods   = ["POST"]
        }
      },
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.embedding.v1.EmbeddingService/EmbedMany"
          Methods   = ["POST"]
        }
      },
      {
        Action = "allow"

        HTTP = {
          PathExact = "/isolane.embedding.v1.EmbeddingService/ListModels"
          Methods   = ["POST"]
        }
      },
    ]
  },
]
